//~ errors: 1

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
