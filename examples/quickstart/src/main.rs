//! A saga in forty lines: what is done, how it is undone, and what happens when a step refuses.

#[cfg(test)]
mod tests;

use saga_runtime::{Context, saga, step};

struct Shop {
    limit: u64,
}

#[step(compensate = cancel_order)]
async fn create_order(_cx: Context<'_, Shop>, amount: u64) -> Result<String, String> {
    println!("  create order over {amount}");
    Ok(format!("order over {amount}"))
}

async fn cancel_order(_cx: Context<'_, Shop>, order: &str) -> Result<(), String> {
    println!("  cancel {order}");
    Ok(())
}

#[step(pivot)]
async fn charge(cx: Context<'_, Shop>, order: &str, amount: u64) -> Result<u64, String> {
    println!("  charge {amount} for {order}");
    if amount > cx.limit {
        Err("card declined".to_owned())
    } else {
        Ok(amount)
    }
}

saga!(
    /// Sells something.
    async fn place_order(cx: Context<'_, Shop>, amount: u64) -> Result<String, String> {
        let order = create_order(cx, amount).await?;
        let paid = charge(cx, &order, amount).await?;
        Ok(format!("{order}, paid {paid}"))
    }
);

#[tokio::main]
async fn main() {
    let shop = Shop { limit: 500 };
    for amount in [100, 1000] {
        println!("placing an order over {amount}");
        match (PlaceOrder { amount }).execute(&shop).await {
            Ok(receipt) => println!("done: {receipt}"),
            Err(error) => println!("{error}"),
        }
    }
}
