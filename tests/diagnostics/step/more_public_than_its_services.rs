//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use shop::ShopError;

struct Depot;

mod steps {
    use super::{Depot, ShopError};
    use saga_runtime::{Context, step};

    #[step(compensate = ())]
    pub async fn count(_cx: Context<'_, Depot>) -> Result<u64, ShopError> {
        Ok(3)
    }
}

fn main() {}
