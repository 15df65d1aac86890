//~ errors: 1

#[path = "../shop.rs"]
mod shop;

mod model {
    pub struct Sale {
        pub amount: u64,
    }
}

use model::Sale;
use saga_runtime::{Context, saga};
use shop::*;

saga!(
    async fn sale(cx: Context<'_, Shop>, request: OrderRequest) -> Result<u64, ShopError> {
        let order = create_order(cx, &request).await?;
        Ok(order.amount)
    }
);

fn main() {
    println!("{}", Sale { amount: 3 }.amount);
}
