//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga, step};
use shop::*;

#[step(pivot)]
async fn hand_over(_cx: Context<'_, Shop>, _delivery: &Delivery) -> Result<(), ShopError> {
    Ok(())
}

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Delivery, ShopError> {
        let order = create_order(cx, &request).await?;
        let payment = charge(cx, &order).await?;
        let delivery = ship(cx, &order, &payment).await?;
        hand_over(cx, &delivery).await?;
        Ok(delivery)
    }
);

fn main() {}
