//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, EventName, event, saga};
use shop::*;

struct Coins;

const PAID: EventName<Coins> = EventName::new("paid");

saga!(
    async fn place_orders(cx: Context<'_, Shop>, requests: Vec<OrderRequest>) -> Result<(), ShopError> {
        create_order(cx, &requests[0]).await?;
        event(cx, PAID).await;
        Ok(())
    }
);

fn main() {}
