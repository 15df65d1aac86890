//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

async fn weigh(_cx: Context<'_, Shop>, _order: &Order) -> Result<u64, ShopError> {
    Ok(1)
}

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Delivery, ShopError> {
        let order = create_order(cx, &request).await?;
        let (payment, _) = try_join!(charge(cx, &order), weigh(cx, &order))?;
        let delivery = ship(cx, &order, &payment).await?;
        Ok(delivery)
    }
);

fn main() {}
