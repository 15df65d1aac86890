//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Payment, ShopError> {
        let order = create_order(cx, &request).await?;
        println!("{} euros", cx.price(&order));
        charge(cx, &order).await
    }
);

fn main() {}
