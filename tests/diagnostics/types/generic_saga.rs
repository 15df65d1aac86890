//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

saga!(
    async fn place_order<T: Into<u64>>(cx: Context<'_, Shop>, amount: T) -> Result<Order, ShopError> {
        let order = create_order(cx, &OrderRequest { amount: amount.into() }).await?;
        Ok(order)
    }
);

fn main() {}
