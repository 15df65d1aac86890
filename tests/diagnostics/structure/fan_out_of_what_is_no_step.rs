//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga, try_join_all};
use shop::*;

async fn look_up(_request: &OrderRequest) -> Result<(), ShopError> {
    Ok(())
}

saga!(
    async fn place_orders(cx: Context<'_, Shop>, requests: Vec<OrderRequest>) -> Result<(), ShopError> {
        try_join_all(8, &requests, |request| look_up(request)).await?;
        Ok(())
    }
);

fn main() {}
