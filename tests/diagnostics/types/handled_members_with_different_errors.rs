//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga, step};
use shop::*;

#[derive(serde::Serialize, serde::Deserialize)]
struct Sold;

impl std::fmt::Display for Sold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("sold out")
    }
}

#[step(compensate = ())]
async fn reserve(_cx: Context<'_, Shop>, request: &OrderRequest) -> Result<u64, Sold> {
    Ok(request.amount)
}

saga!(
    #[saga(compensatable)]
    async fn take_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<u64, Sold> {
        reserve(cx, &request).await
    }
);

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<u64, ShopError> {
        let order = create_order(cx, &request).await?;
        let is_reserved = try_join!(take_order(cx, request), take_again(cx, &order)).is_ok();
        Ok(u64::from(is_reserved))
    }
);

#[derive(serde::Serialize, serde::Deserialize)]
struct Again;

impl std::fmt::Display for Again {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("again")
    }
}

#[step(compensate = ())]
async fn take_again(_cx: Context<'_, Shop>, order: &Order) -> Result<u64, Again> {
    Ok(order.amount)
}

fn main() {}
