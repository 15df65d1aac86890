//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, EventName, First, first_of, saga};
use shop::*;

const PAID: EventName<u64> = EventName::new("paid");
const DECLINED: EventName<String> = EventName::new("declined");

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<u64, ShopError> {
        create_order(cx, &request).await?;
        match first_of(cx, (PAID, DECLINED)).await {
            First::A(cents) => Ok(cents),
        }
    }
);

fn main() {}
