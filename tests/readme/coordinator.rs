//! The same saga on a journal.

use saga_runtime::journal::Sqlite;
use saga_runtime::{Context, Coordinator, saga, step};

struct Shop; // your clients and settings

#[step(compensate = ())]
async fn quote(_cx: Context<'_, Shop>, pieces: u64) -> Result<u64, String> {
    Ok(3 * pieces)
}

saga!(
    async fn place_order(cx: Context<'_, Shop>, pieces: u64) -> Result<u64, String> {
        quote(cx, pieces).await
    }
);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let coordinator = Coordinator::builder(Shop)
        .journal(Sqlite::open("shop.db").await?)
        .register::<PlaceOrder>()
        .start() // resumes the sagas of an earlier process
        .await?;
    // The id is the client's: asking again with it never orders twice, and tells how it ended.
    match coordinator.execute("order-17", PlaceOrder { pieces: 4 }).await {
        Ok(price) => println!("ordered for {price}"),
        Err(error) => println!("{error}"),
    }
    coordinator.shutdown().await; // attempts end; nothing is compensated because of it
    Ok(())
}
