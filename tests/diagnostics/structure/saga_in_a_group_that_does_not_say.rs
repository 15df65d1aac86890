//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

saga!(
    async fn take_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Order, ShopError> {
        create_order(cx, &request).await
    }
);

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Delivery, ShopError> {
        let order = create_order(cx, &request).await?;
        let (_, payment) = try_join!(take_order(cx, request), charge(cx, &order))?;
        Ok(Delivery { id: payment.id })
    }
);

fn main() {}
