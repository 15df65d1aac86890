//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, event, saga};
use shop::*;

saga!(
    async fn place_orders(cx: Context<'_, Shop>, requests: Vec<OrderRequest>) -> Result<(), ShopError> {
        let payment = event(cx, "paid").await;
        create_order(cx, &requests[0]).await?;
        Ok(drop(payment))
    }
);

fn main() {}
