//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga, sleep};
use shop::*;
use std::time::Duration;

saga!(
    async fn place_orders(cx: Context<'_, Shop>, requests: Vec<OrderRequest>) -> Result<(), ShopError> {
        create_order(cx, &requests[0]).await?;
        sleep(cx, Duration::from_secs(3)).await?;
        Ok(())
    }
);

fn main() {}
