//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Order, ShopError> {
        create_order(cx, &request).await
    }
);

async fn sell(shop: &Shop) {
    let request = OrderRequest { amount: 5 };
    let order = place_order(Context::for_test(shop), request).await;
    drop(order);
}

fn main() {
    let _ = sell;
}
