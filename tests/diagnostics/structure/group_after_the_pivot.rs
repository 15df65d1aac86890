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
        try_join!(send_receipt(cx, &delivery), send_receipt(cx, &delivery))?;
        try_join!(send_receipt(cx, &delivery), send_receipt(cx, &delivery))?;
        charge(cx, &order).await?;
        Ok(delivery)
    }
);

fn main() {}
