//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, EventName, event, saga};
use shop::*;

const PAID: EventName<Payment> = EventName::new("paid");

saga!(
    async fn place_orders(cx: Context<'_, Shop>, requests: Vec<OrderRequest>) -> Result<(), ShopError> {
        let order: Order = event(cx, PAID).await;
        charge(cx, &order).await?;
        Ok(())
    }
);

fn main() {}
