//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

saga!(
    #[tracing::instrument(skip_all)]
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Order, ShopError> {
        create_order(cx, &request).await
    }
);

fn main() {
    let request = OrderRequest { amount: 5 };
    drop(PlaceOrder { request }.execute(&Shop));
}
