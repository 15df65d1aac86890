//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Payment, ShopError> {
        let order = create_order(cx, &request).await?;
        let pay = |order| charge(cx, order);
        pay(&order).await
    }
);

fn main() {}
