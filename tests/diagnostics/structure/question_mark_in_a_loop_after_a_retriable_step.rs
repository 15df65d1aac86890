//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Delivery, ShopError> {
        let order = create_order(cx, &request).await?;
        let payment = charge(cx, &order).await?;
        let delivery = Delivery { id: payment.id };
        let mut left = order.amount;
        while left > 0 {
            left = left.checked_sub(1).ok_or(ShopError)?;
            send_receipt(cx, &delivery).await?;
        }
        Ok(delivery)
    }
);

fn main() {}
