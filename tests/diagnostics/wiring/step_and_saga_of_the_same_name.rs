//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga, step};
use shop::*;

#[step(compensate = ())]
async fn place_order(_cx: Context<'_, Shop>, request: &OrderRequest) -> Result<u64, ShopError> {
    Ok(request.amount)
}

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Order, ShopError> {
        create_order(cx, &request).await
    }
);

fn main() {}
