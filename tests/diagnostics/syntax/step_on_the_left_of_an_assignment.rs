//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Delivery, ShopError> {
        let order = create_order(cx, &request).await?;
        let mut paid = [0; 3];
        paid[charge(cx, &order).await?.id as usize] = 1;
        let delivery = ship(cx, &order, &Payment { id: paid[0] }).await?;
        Ok(delivery)
    }
);

fn main() {
    let request = OrderRequest { amount: 5 };
    drop(PlaceOrder { request }.execute(&Shop));
}
