//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use std::time::Duration;

use saga_runtime::{Context, saga, sleep, step};
use shop::*;

#[step(compensate = ())]
async fn settle(cx: Context<'_, Shop>, order: &Order) -> Result<u64, ShopError> {
    sleep(cx, Duration::from_secs(5)).await;
    Ok(order.amount)
}

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<u64, ShopError> {
        let order = create_order(cx, &request).await?;
        settle(cx, &order).await
    }
);

fn main() {}
