//~ errors: 1

#![deny(unused_variables)]

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<(), ShopError> {
        let order = create_order(cx, &request).await?;
        let payment = charge(cx, &order).await;
        Ok(())
    }
);

fn main() {}
