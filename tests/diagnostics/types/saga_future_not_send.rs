//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Order, ShopError> {
        let note = std::rc::Rc::new(request.amount);
        let order = create_order(cx, &request).await?;
        println!("{note}");
        Ok(order)
    }
);

fn main() {}
