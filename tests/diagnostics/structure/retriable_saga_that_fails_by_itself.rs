//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

saga!(
    #[saga(retriable)]
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Delivery, ShopError> {
        let delivery = Delivery { id: request.amount };
        send_receipt(cx, &delivery).await?;
        request.amount.checked_sub(1).ok_or(ShopError)?;
        Ok(delivery)
    }
);

fn main() {}
