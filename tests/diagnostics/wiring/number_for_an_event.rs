//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, event, saga};
use shop::*;

const APPROVED: u64 = 1;

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<(), ShopError> {
        create_order(cx, &request).await?;
        event(cx, APPROVED).await;
        Ok(())
    }
);

fn main() {}
