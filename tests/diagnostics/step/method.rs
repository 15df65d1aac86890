//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::step;
use shop::*;

impl Shop {
    #[step(compensate = ())]
    async fn quote(&self, order: &Order) -> Result<u64, ShopError> {
        Ok(order.amount)
    }
}

fn main() {}
