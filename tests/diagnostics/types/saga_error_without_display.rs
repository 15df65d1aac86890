//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

struct Failed;

impl From<ShopError> for Failed {
    fn from(_: ShopError) -> Self {
        Failed
    }
}

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Order, Failed> {
        let order = create_order(cx, &request).await?;
        Ok(order)
    }
);

fn main() {}
