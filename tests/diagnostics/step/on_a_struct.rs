//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::step;

#[step(pivot)]
struct Charge {
    amount: u64,
}

fn main() {}
