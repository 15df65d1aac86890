//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga, step};
use shop::*;

#[step]
async fn quote(_cx: Context<'_, Shop>, order: &Order) -> Result<u64, ShopError> {
    Ok(order.amount)
}

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Delivery, ShopError> {
        let order = create_order(cx, &request).await?;
        let quote = quote(cx, &order).await?;
        println!("{quote}");
        let payment = charge(cx, &order).await?;
        let delivery = ship(cx, &order, &payment).await?;
        Ok(delivery)
    }
);

fn main() {}
