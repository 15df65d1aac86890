//~ errors: 2
// The services are not `Sync`, so the future that borrows them is not `Send`: rustc checks both.

use std::cell::Cell;

use saga_runtime::{Context, step};

struct Shop {
    sold: Cell<u64>,
}

#[step(compensate = ())]
async fn count(cx: Context<'_, Shop>) -> Result<u64, String> {
    cx.sold.set(cx.sold.get() + 1);
    Ok(cx.sold.get())
}

fn main() {}
