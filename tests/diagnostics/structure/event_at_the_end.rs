//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, EventName, event, saga};
use shop::*;

const PAID: EventName<u64> = EventName::new("paid");

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<u64, ShopError> {
        create_order(cx, &request).await?;
        event(cx, PAID).await
    }
);

fn main() {}
