//~ errors: 1

#![deny(unused_must_use)]

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Order, ShopError> {
        let order = create_order(cx, &request).await?;
        charge(cx, &order);
        Ok(order)
    }
);

fn main() {}
