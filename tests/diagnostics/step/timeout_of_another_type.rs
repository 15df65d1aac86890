//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, step};
use shop::*;

const LIMIT: u64 = 3;

#[step(compensate = (), timeout = LIMIT)]
async fn quote(_cx: Context<'_, Shop>, order: &Order) -> Result<u64, ShopError> {
    Ok(order.amount)
}

fn main() {}
