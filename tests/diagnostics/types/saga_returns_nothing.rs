//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) {
        let order = create_order(cx, &request).await?;
        println!("{}", order.id);
    }
);

fn main() {
    let request = OrderRequest { amount: 5 };
    drop(PlaceOrder { request }.execute(&Shop));
}
