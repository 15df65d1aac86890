//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

macro_rules! attempt {
    ($step:expr) => {
        match $step.await {
            Ok(output) => output,
            Err(error) => return Err(error),
        }
    };
}

async fn look(shop: &Shop) -> Result<Order, ShopError> {
    let request = OrderRequest { amount: 5 };
    Ok(attempt!(create_order(Context::for_test(shop), &request)))
}

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Payment, ShopError> {
        let order = attempt!(create_order(cx, &request));
        charge(cx, &order).await
    }
);

fn main() {
    let _ = look;
    let request = OrderRequest { amount: 5 };
    drop(PlaceOrder { request }.execute(&Shop));
}
