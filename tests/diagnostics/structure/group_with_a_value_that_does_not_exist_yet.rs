//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga, step};
use shop::*;

#[step(compensate = ())]
async fn refill(_cx: Context<'_, Shop>, payment: &Payment) -> Result<Delivery, ShopError> {
    Ok(Delivery { id: payment.id })
}

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Delivery, ShopError> {
        let order = create_order(cx, &request).await?;
        let (payment, delivery) = try_join!(charge(cx, &order), refill(cx, &payment))?;
        Ok(delivery)
    }
);

fn main() {}
