//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, step};
use shop::*;

struct Desk<'a> {
    name: &'a str,
}

#[step(compensate = ())]
async fn quote(cx: Context<'_, Desk<'_>>, amount: u64) -> Result<u64, ShopError> {
    Ok(amount + cx.name.len() as u64)
}

// A function borrows nothing for its parameters.
#[step(compensate = ())]
async fn called(_cx: Context<'_, fn(&str) -> u64>, amount: u64) -> Result<u64, ShopError> {
    Ok(amount)
}

fn main() {}
