//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Delivery, ShopError> {
        let order = create_order(cx, &request).await?;
        let payment = charge(cx, &order).await?;
        let mut tries = 0;
        let delivery = loop {
            tries += 1;
            match ship(cx, &order, &payment).await {
                Ok(delivery) => break delivery,
                Err(error) if tries > 3 => return Err(error),
                Err(_) => {}
            }
        };
        charge(cx, &order).await?;
        Ok(delivery)
    }
);

fn main() {}
