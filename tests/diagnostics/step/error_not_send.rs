//~ errors: 2
// The step has the error, and so has the future of the saga that awaits it: rustc checks them apart.

use std::error::Error;

use saga_runtime::{Context, saga, step};

struct Shop;

#[step(compensate = ())]
async fn count(_cx: Context<'_, Shop>) -> Result<u64, Box<dyn Error>> {
    Ok(1)
}

saga!(
    async fn sell(cx: Context<'_, Shop>) -> Result<u64, String> {
        let number = count(cx).await.map_err(|error| error.to_string())?;
        Ok(number)
    }
);

fn main() {}
