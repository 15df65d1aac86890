//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Delivery, ShopError> {
        let order = create_order(cx, &request).await?;
        let payments: Vec<Payment> = (0..3).map(|_| charge(cx, &order).await).collect();
        let delivery = ship(cx, &order, &payments[0]).await?;
        Ok(delivery)
    }
);

fn main() {
    let request = OrderRequest { amount: 5 };
    drop(PlaceOrder { request }.execute(&Shop));
}
