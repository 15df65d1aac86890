//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga, step};
use shop::*;

#[step(compensate = None)]
async fn quote(_cx: Context<'_, Shop>, request: &OrderRequest) -> Result<u64, ShopError> {
    Ok(request.amount)
}

saga!(
    async fn offer(cx: Context<'_, Shop>, request: OrderRequest) -> Result<u64, ShopError> {
        quote(cx, &request).await
    }
);

fn main() {}
