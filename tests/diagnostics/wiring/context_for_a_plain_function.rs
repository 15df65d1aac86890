//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

fn is_cheap(_cx: Context<'_, Shop>, _order: &Order) -> bool {
    true
}

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Payment, ShopError> {
        let order = create_order(cx, &request).await?;
        if is_cheap(cx, &order) {
            return Err(ShopError);
        }
        charge(cx, &order).await
    }
);

fn main() {}
