//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

saga!(
    async fn place_order(
        cx: Context<'_, Shop>,
        request: OrderRequest,
        channel: &'static str,
    ) -> Result<Order, ShopError> {
        println!("sold by {channel}");
        create_order(cx, &request).await
    }
);

fn main() {}
