//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga, step};
use shop::*;

struct Desk<'a> {
    name: &'a str,
}

#[step(compensate = ())]
async fn quote(cx: Context<'_, Desk<'static>>, amount: u64) -> Result<u64, ShopError> {
    Ok(amount + cx.name.len() as u64)
}

saga!(
    async fn quoting(cx: Context<'_, Desk<'_>>, amount: u64) -> Result<u64, ShopError> {
        quote(cx, amount).await
    }
);

fn main() {}
