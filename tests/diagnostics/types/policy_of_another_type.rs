//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use std::time::Duration;

use saga_runtime::{Context, saga};
use shop::*;

const PROVIDER: Duration = Duration::from_secs(3);

saga!(
    #[saga(policy = PROVIDER)]
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Order, ShopError> {
        create_order(cx, &request).await
    }
);

fn main() {}
