//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

saga!(
    #[saga(compensatable)]
    async fn take_order(cx: &Shop, request: OrderRequest) -> Result<Order, ShopError> {
        let order = create_order(cx, &request).await?;
        Ok(order)
    }
);

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Delivery, ShopError> {
        let order = take_order(cx, request).await?;
        let payment = charge(cx, &order).await?;
        let delivery = ship(cx, &order, &payment).await?;
        Ok(delivery)
    }
);

fn main() {}
