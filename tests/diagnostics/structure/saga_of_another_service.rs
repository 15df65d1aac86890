//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga, step};
use shop::*;

struct Depot;

#[step(compensate = ())]
async fn look(_cx: Context<'_, Depot>) -> Result<Order, ShopError> {
    Ok(Order { id: 1, amount: 2 })
}

saga!(
    #[saga(compensatable)]
    async fn take_order(cx: Context<'_, Depot>, _request: OrderRequest) -> Result<Order, ShopError> {
        look(cx).await
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
