//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga, step};
use shop::*;

#[step(compensate = ())]
async fn courier(_cx: Context<'_, Shop>, order: &Order) -> Result<&'static str, ShopError> {
    Ok(if order.amount > 100 { "truck" } else { "bicycle" })
}

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Order, ShopError> {
        let order = create_order(cx, &request).await?;
        courier(cx, &order).await?;
        Ok(order)
    }
);

fn main() {}
