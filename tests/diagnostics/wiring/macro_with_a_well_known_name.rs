//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

macro_rules! format {
    ($cx:expr, $order:expr) => {
        charge($cx, $order).await?
    };
}

saga!(
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Payment, ShopError> {
        let order = create_order(cx, &request).await?;
        Ok(format!(cx, &order))
    }
);

fn main() {}
