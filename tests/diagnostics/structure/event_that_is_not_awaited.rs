//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, EventName, event, saga};
use shop::*;

const APPROVED: EventName<bool> = EventName::new("approved");

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Order, ShopError> {
        let order = create_order(cx, &request).await?;
        event(cx, APPROVED);
        Ok(order)
    }
);

fn main() {}
