//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::Coordinator;
use shop::*;

async fn start() {
    let _ = Coordinator::builder(Shop).start().await;
}

fn main() {
    let _ = start;
}
