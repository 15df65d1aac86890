//~ errors: 2
// Two mistakes, and both are reported at once.

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Order, ShopError> {
        let order = create_order(cx, &request).await?;
        let charged = charge(cx, &order);
        let payment = charged.await?;
        for _ in 0..2 {
            ship(cx, &order, &payment).await?;
        }
        Ok(order)
    }
);

fn main() {
    let request = OrderRequest { amount: 5 };
    drop(PlaceOrder { request }.execute(&Shop));
}
