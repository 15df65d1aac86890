//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::Coordinator;
use shop::*;

async fn quote(amount: u64) -> u64 {
    amount
}

fn main() {
    let _ = Coordinator::builder(Shop).limit(charge, 20).limit(quote, 20);
}
