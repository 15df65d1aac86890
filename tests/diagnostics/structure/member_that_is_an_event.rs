//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, EventName, event, saga};
use shop::*;

const APPROVED: EventName<bool> = EventName::new("approved");

saga!(
    async fn place_orders(cx: Context<'_, Shop>, requests: Vec<OrderRequest>) -> Result<(), ShopError> {
        try_join!(create_order(cx, &requests[0]), event(cx, APPROVED))?;
        Ok(())
    }
);

fn main() {}
