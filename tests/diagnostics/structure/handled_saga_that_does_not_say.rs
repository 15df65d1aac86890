//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::{Delivery, Order, OrderRequest, Shop, ShopError, charge, create_order};

saga!(
    async fn take_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Order, ShopError> {
        create_order(cx, &request).await
    }
);

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Delivery, ShopError> {
        let order = match take_order(cx, request).await {
            Ok(order) => order,
            Err(_) => Order { id: 0, amount: 0 },
        };
        let payment = charge(cx, &order).await?;
        Ok(Delivery { id: payment.id })
    }
);

fn main() {}
