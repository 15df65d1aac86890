//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use std::sync::Arc;

use saga_runtime::{Context, step};
use shop::*;

#[step(compensate = ())]
async fn quote(_cx: Context<'_, Shop>, order: &Order) -> Result<Arc<Order>, ShopError> {
    Ok(Arc::new(order.clone()))
}

fn main() {}
