//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Delivery, ShopError> {
        let order = create_order(cx, &request).await?;
        let payment = charge(cx, &order).await?;
        let mut delivery = Delivery { id: 0 };
        for _ in 0..order.amount {
            delivery = ship(cx, &order, &payment).await?;
        }
        Ok(delivery)
    }
);

fn main() {}
