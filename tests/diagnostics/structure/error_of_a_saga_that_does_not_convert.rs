//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

saga!(
    #[saga(compensatable)]
    async fn take_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Order, String> {
        Ok(create_order(cx, &request).await.map_err(|error| error.to_string())?)
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
