//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga, step};
use shop::*;

struct Warehouse;

#[step(compensate = ())]
async fn reserve(_cx: Context<'_, Warehouse>, _order: &Order) -> Result<(), ShopError> {
    Ok(())
}

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Delivery, ShopError> {
        let order = create_order(cx, &request).await?;
        reserve(cx, &order).await?;
        let payment = charge(cx, &order).await?;
        let delivery = ship(cx, &order, &payment).await?;
        Ok(delivery)
    }
);

fn main() {}
