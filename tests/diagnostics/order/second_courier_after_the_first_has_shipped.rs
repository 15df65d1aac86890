//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga, step};
use shop::*;

#[step(pivot)]
async fn ship_by_mail(_cx: Context<'_, Shop>, order: &Order) -> Result<Delivery, ShopError> {
    Ok(Delivery { id: order.id })
}

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Delivery, ShopError> {
        let order = create_order(cx, &request).await?;
        let payment = charge(cx, &order).await?;
        let shipped = ship(cx, &order, &payment).await;
        let delivery = match shipped {
            Ok(delivery) => delivery,
            Err(_) => ship_by_mail(cx, &order).await?,
        };
        Ok(delivery)
    }
);

fn main() {}
