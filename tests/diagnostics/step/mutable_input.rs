//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga, step};
use shop::*;

#[step(compensate = ())]
async fn quote(_cx: Context<'_, Shop>, order: &mut Order) -> Result<u64, ShopError> {
    order.amount += 1;
    Ok(order.amount)
}

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Delivery, ShopError> {
        let order = create_order(cx, &request).await?;
        let mut order = order;
        let quote = quote(cx, &mut order).await?;
        println!("{quote}");
        let payment = charge(cx, &order).await?;
        let delivery = ship(cx, &order, &payment).await?;
        Ok(delivery)
    }
);

fn main() {}
