//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Delivery, ShopError> {
        let order = create_order(cx, &request).await?;
        let payment = match order.amount {
            1 | 2 if charge(cx, &order).await?.id > 0 => Payment { id: 0 },
            id => Payment { id },
        };
        let delivery = ship(cx, &order, &payment).await?;
        Ok(delivery)
    }
);

fn main() {
    let request = OrderRequest { amount: 5 };
    drop(PlaceOrder { request }.execute(&Shop));
}
