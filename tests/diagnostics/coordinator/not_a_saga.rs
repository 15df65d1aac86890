//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::Coordinator;
use shop::*;

fn main() {
    let _ = Coordinator::builder(Shop).register::<Order>();
}
