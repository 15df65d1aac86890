//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Delivery, ShopError> {
        let order = create_order(cx, &request).await?;
        let payment = charge(cx, &order).await?;
        match order.amount {
            0 if ship(cx, &order, &payment).await?.id > 0 => Ok(Delivery { id: 0 }),
            id => {
                charge(cx, &order).await?;
                Ok(Delivery { id })
            }
        }
    }
);

fn main() {}
