//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga, try_join_all};
use shop::*;

saga!(
    #[saga(retriable)]
    async fn place_orders(cx: Context<'_, Shop>, requests: Vec<OrderRequest>) -> Result<(), ShopError> {
        try_join_all(8, &requests, |request| create_order(cx, request)).await?;
        Ok(())
    }
);

fn main() {}
