//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

saga!(
    async fn place_orders(cx: Context<'_, Shop>, requests: Vec<OrderRequest>) -> Result<(), ShopError> {
        create_order(cx, &requests[0]).await?;
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        Ok(())
    }
);

fn main() {}
