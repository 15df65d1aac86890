//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga, step};
use shop::*;

struct Sold;

impl std::fmt::Display for Sold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("sold out")
    }
}

#[step(compensate = ())]
async fn reserve(_cx: Context<'_, Shop>, order: &Order) -> Result<u64, Sold> {
    Ok(order.amount)
}

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Delivery, ShopError> {
        let order = create_order(cx, &request).await?;
        let reserved = match reserve(cx, &order).await {
            Ok(amount) => amount,
            Err(Sold) => return Err(ShopError),
        };
        println!("{reserved}");
        let payment = charge(cx, &order).await?;
        let delivery = ship(cx, &order, &payment).await?;
        Ok(delivery)
    }
);

fn main() {}
