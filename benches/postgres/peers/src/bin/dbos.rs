//! Workflows of three steps on the official crate of DBOS.

use dbos::{Config, DBOS, RunOptions, step};
use postgres_peers::customers::{self, Failure};

async fn three(number: u64) -> dbos::Result<u64> {
    let number = step("first", || async move { dbos::Result::Ok(number + 1) }).await?;
    let number = step("second", || async move { dbos::Result::Ok(number + 1) }).await?;
    step("third", || async move { dbos::Result::Ok(number + 1) }).await
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (url, in_flight, each) = postgres_peers::arguments()?;
    let dbos = DBOS::new(Config {
        app_version: Some("1".to_owned()),
        max_connections: postgres_peers::CONNECTIONS,
        ..Config::new("three-steps", url)
    });
    let three = dbos.register_workflow("three", three)?;
    dbos.launch().await?;
    customers::serve(in_flight, each, move |id, number| {
        let three = three.clone();
        async move {
            let options = RunOptions {
                workflow_id: Some(&id),
                ..RunOptions::default()
            };
            three.run_with(number, options).await?;
            Ok(())
        }
    })
    .await?;
    dbos.shutdown().await;
    Ok(())
}
