//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Delivery, ShopError> {
        let order = create_order(cx, &request).await?;
        let payment = charge(cx, &order).await?;
        let delivery = ship(cx, &order, &payment).await?;
        for id in 0..order.amount {
            if id == delivery.id {
                return Ok(delivery);
            }
            return Ok(Delivery { id });
        }
        charge(cx, &order).await?;
        Ok(delivery)
    }
);

fn main() {}
