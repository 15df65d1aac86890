//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Payment, ShopError> {
        macro_rules! create {
            ($request:expr) => {
                create_order(cx, $request).await?
            };
        }
        let order = create!(&request);
        charge(cx, &order).await
    }
);

fn main() {
    let request = OrderRequest { amount: 5 };
    drop(PlaceOrder { request }.execute(&Shop));
}
