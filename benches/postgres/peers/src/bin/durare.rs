//! Workflows of three steps on durare's Postgres provider.

#[path = "../../../../durare/src/three.rs"]
mod three;

use std::sync::Arc;

use durare::{DurableEngine, PostgresProvider, WorkflowOptions};
use postgres_peers::customers::{self, Failure};
use sqlx::postgres::PgPoolOptions;
use three::Three;

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
