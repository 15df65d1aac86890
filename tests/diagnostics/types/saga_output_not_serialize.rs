//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

struct Receipt {
    delivery: Delivery,
}

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Receipt, ShopError> {
        let order = create_order(cx, &request).await?;
        let payment = charge(cx, &order).await?;
        let delivery = ship(cx, &order, &payment).await?;
        Ok(Receipt { delivery })
    }
);

fn main() {}
