//~ errors: 1, to tools: 3
// Serde's derive reads each field in two functions, and a third one writes it. Rustc checks each function apart.

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

struct Basket {
    amount: u64,
}

saga!(
    async fn place_order(cx: Context<'_, Shop>, basket: Basket) -> Result<Order, ShopError> {
        let order = create_order(cx, &OrderRequest { amount: basket.amount }).await?;
        Ok(order)
    }
);

fn main() {}
