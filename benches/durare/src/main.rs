//! Workflows of three steps on durare's SQLite provider with `synchronous=FULL`: how many a second, with so many in flight.

mod three;

use std::env::args;
use std::sync::Arc;
use std::time::Instant;

use durare::{DurableEngine, SqliteProvider, WorkflowOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use three::Three;
use tokio::task::JoinSet;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let arguments: Vec<String> = args().collect();
    let [_, file, in_flight, each] = &arguments[..] else {
        return Err("durare-bench FILE IN_FLIGHT EACH".into());
    };
    let (in_flight, each): (usize, usize) = (in_flight.parse()?, each.parse()?);
    // As its `connect` does it, but for `synchronous`.
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(std::time::Duration::from_secs(5));
    let pool = SqlitePoolOptions::new()
        .max_connections(5)
        .connect_with(options)
        .await?;
    let provider = SqliteProvider::from_pool(pool);
    let engine = Arc::new(DurableEngine::new(Arc::new(provider)).await?);
    let began = Instant::now();
    let mut customers = JoinSet::new();
    for customer in 0..in_flight {
        let engine = Arc::clone(&engine);
        customers.spawn(async move {
            for number in 0..each {
                let id = WorkflowOptions::with_id(format!("{customer}-{number}"));
                engine.start_with(Three, number as u64, id).await?.await?;
            }
            durare::Result::Ok(())
        });
    }
    while let Some(customer) = customers.join_next().await {
        customer??;
    }
    println!(
        "{}",
        (in_flight * each) as f64 / began.elapsed().as_secs_f64()
    );
    Ok(())
}
