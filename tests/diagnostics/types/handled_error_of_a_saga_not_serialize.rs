//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

struct Sold;

impl std::fmt::Display for Sold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("sold out")
    }
}

saga!(
    #[saga(compensatable)]
    async fn take_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Order, Sold> {
        create_order(cx, &request).await.map_err(|_| Sold)
    }
);

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Delivery, ShopError> {
        let order = match take_order(cx, request).await {
            Ok(order) => order,
            Err(Sold) => Order { id: 0, amount: 0 },
        };
        let payment = charge(cx, &order).await?;
        let delivery = ship(cx, &order, &payment).await?;
        Ok(delivery)
    }
);

fn main() {}
