//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

async fn notify(order: &Order) -> Result<(), ShopError> {
    let _ = order;
    Ok(())
}

macro_rules! notified {
    ($order:expr) => {
        notify($order).await?
    };
}

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Order, ShopError> {
        let order = create_order(cx, &request).await?;
        notified!(&order);
        Ok(order)
    }
);

fn main() {
    let request = OrderRequest { amount: 5 };
    drop(PlaceOrder { request }.execute(&Shop));
}
