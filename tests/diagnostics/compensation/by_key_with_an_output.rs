//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, step};
use shop::*;

#[step(compensate = give_back, in_doubt(resolve))]
async fn take(_cx: Context<'_, Shop>, order: &Order) -> Result<u64, ShopError> {
    Ok(order.amount)
}

async fn give_back(_cx: Context<'_, Shop>, _taken: &u64) -> Result<(), ShopError> {
    Ok(())
}

fn main() {}
