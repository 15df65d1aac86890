//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use std::fmt;

struct Failed;

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failed")
    }
}

impl From<shop::ShopError> for Failed {
    fn from(_: shop::ShopError) -> Self {
        Self
    }
}

mod sagas {
    use super::{Failed, shop::*};
    use saga_runtime::{Context, saga};

    saga!(
        pub async fn sell(cx: Context<'_, Shop>, request: OrderRequest) -> Result<u64, Failed> {
            let order = create_order(cx, &request).await?;
            Ok(order.id)
        }
    );
}

fn main() {}
