//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, EventName, first_of, saga};
use shop::*;

const PAID: EventName<u64> = EventName::new("paid");
const DECLINED: EventName<String> = EventName::new("declined");

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<(), ShopError> {
        create_order(cx, &request).await?;
        let _first = first_of(cx, (PAID, DECLINED)).await?;
        Ok(())
    }
);

fn main() {}
