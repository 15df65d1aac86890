//~ errors: 4
// rustc checks each item that borrows the services by itself: the step, its future, the saga, and the call.

use std::cell::Cell;

use saga_runtime::{Context, saga, step};

struct Shop {
    sold: Cell<u64>,
}

#[step(compensate = ())]
async fn count(cx: Context<'_, Shop>) -> Result<u64, String> {
    cx.sold.set(cx.sold.get() + 1);
    Ok(cx.sold.get())
}

saga!(
    async fn sell(cx: Context<'_, Shop>) -> Result<u64, String> {
        let number = count(cx).await?;
        Ok(number)
    }
);

fn main() {}
