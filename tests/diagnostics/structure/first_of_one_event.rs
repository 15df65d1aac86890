//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, EventName, first_of, saga};
use shop::*;

const APPROVED: EventName<bool> = EventName::new("approved");

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<(), ShopError> {
        create_order(cx, &request).await?;
        let _approved = first_of(cx, APPROVED).await;
        Ok(())
    }
);

fn main() {}
