//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, step};
use shop::*;

#[step(compensate = (), retry(when = |_error: ShopError| true))]
async fn quote(_cx: Context<'_, Shop>, order: &Order) -> Result<u64, ShopError> {
    Ok(order.amount)
}

fn main() {}
