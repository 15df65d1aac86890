//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

async fn lookup(_cx: Context<'_, Shop>, order: &Order) -> Result<u64, ShopError> {
    Ok(order.amount)
}

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Delivery, ShopError> {
        let order = create_order(cx, &request).await?;
        let amount = lookup(cx, &order).await?;
        let payment = charge(cx, &order).await?;
        let delivery = ship(cx, &order, &payment).await?;
        Ok(Delivery { id: delivery.id + amount })
    }
);

fn main() {
    let request = OrderRequest { amount: 5 };
    drop(PlaceOrder { request }.execute(&Shop));
}
