//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga, try_join_all};
use shop::*;

saga!(
    async fn place_orders(cx: Context<'_, Shop>, requests: Vec<OrderRequest>) -> Result<(), ShopError> {
        create_order(cx, &requests[0]).await?;
        let orders = try_join_all(8, &requests, |request| create_order(cx, request)).await;
        drop(orders);
        Ok(())
    }
);

fn main() {}
