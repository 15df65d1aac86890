//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

struct Sales;

impl Sales {
    saga!(
        async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Order, ShopError> {
            create_order(cx, &request).await
        }
    );
}

fn main() {}
