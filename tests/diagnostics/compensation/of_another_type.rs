//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga, step};
use shop::*;

#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Reservation {
    id: u64,
}

#[step(compensate = release)]
async fn reserve(_cx: Context<'_, Shop>, order: &Order) -> Result<Reservation, ShopError> {
    Ok(Reservation { id: order.id })
}

async fn release(_cx: Context<'_, Shop>, _order: &Order) -> Result<(), ShopError> {
    Ok(())
}

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Delivery, ShopError> {
        let order = create_order(cx, &request).await?;
        let reservation = reserve(cx, &order).await?;
        let payment = charge(cx, &order).await?;
        let delivery = ship(cx, &order, &payment).await?;
        println!("{}", reservation.id);
        Ok(delivery)
    }
);

fn main() {}
