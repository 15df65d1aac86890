//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Delivery, ShopError> {
        let order = create_order(cx, &request).await?;
        let payment = charge(cx, &order).await?;
        let _delivery = ship(cx, &order, &payment).await?;
        #[cfg(all())]
        {
            Err(ShopError)
        }
        #[cfg(not(all()))]
        {
            Ok(_delivery)
        }
    }
);

fn main() {}
