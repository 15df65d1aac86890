//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Order, ShopError> {
        if request.amount > cx.limit {
            return Err(ShopError);
        }
        create_order(cx, &request).await
    }
);

fn main() {}
