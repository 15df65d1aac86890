//! Workflows of three steps on durare's Postgres provider.

use std::sync::Arc;

use durare::{DurableContext, DurableEngine, PostgresProvider, WorkflowOptions};
use postgres_peers::customers::{self, Failure};
use sqlx::postgres::PgPoolOptions;

#[durare::step]
async fn first(ctx: &DurableContext, number: u64) -> durare::Result<u64> {
    Ok(number + 1)
}

#[durare::step]
async fn second(ctx: &DurableContext, number: u64) -> durare::Result<u64> {
    Ok(number + 1)
}

#[durare::step]
async fn third(ctx: &DurableContext, number: u64) -> durare::Result<u64> {
    Ok(number + 1)
}

#[durare::workflow]
async fn three(ctx: DurableContext, number: u64) -> durare::Result<u64> {
    let number = first(&ctx, number).await?;
    let number = second(&ctx, number).await?;
    third(&ctx, number).await
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (url, in_flight, each) = postgres_peers::arguments()?;
    let pool = PgPoolOptions::new().max_connections(postgres_peers::CONNECTIONS);
    let provider = PostgresProvider::from_pool(pool.connect(&url).await?);
    let engine = Arc::new(DurableEngine::new(Arc::new(provider)).await?);
    customers::serve(in_flight, each, move |id, number| {
        let engine = Arc::clone(&engine);
        async move {
            let handle = engine
                .start_with(Three, number, WorkflowOptions::with_id(id))
                .await?;
            handle.await?;
            Ok(())
        }
    })
    .await
}
