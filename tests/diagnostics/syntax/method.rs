//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga, step};
use shop::*;

#[step(compensate = ())]
async fn quote(_cx: Context<'_, Shop>, request: OrderRequest) -> Result<u64, ShopError> {
    Ok(request.amount)
}

saga!(
    async fn place_order(&self, cx: Context<'_, Shop>, request: OrderRequest) -> Result<Order, ShopError> {
        let order = create_order(cx, &request).await?;
        Ok(order)
    }
);

fn main() {}
