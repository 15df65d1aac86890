//! Sagas of three steps that do nothing, and the worker that runs them.

use saga_runtime::journal::Postgres;
use saga_runtime::{Context, Coordinator, saga, step};

use crate::customers::{self, Failure};

/// Nothing: the steps do none of the work that is measured.
struct Nothing;

#[step(compensate = undo)]
async fn first(_cx: Context<'_, Nothing>, number: u64) -> Result<u64, String> {
    Ok(number + 1)
}

#[step(compensate = undo)]
async fn second(_cx: Context<'_, Nothing>, number: u64) -> Result<u64, String> {
    Ok(number + 1)
}

#[step(compensate = undo)]
async fn third(_cx: Context<'_, Nothing>, number: u64) -> Result<u64, String> {
    Ok(number + 1)
}

async fn undo(_cx: Context<'_, Nothing>, _number: &u64) -> Result<(), String> {
    Ok(())
}

saga!(
    async fn three(cx: Context<'_, Nothing>, number: u64) -> Result<u64, String> {
        let number = first(cx, number).await?;
        let number = second(cx, number).await?;
        third(cx, number).await
    }
);

/// A worker with so many customers.
pub(crate) async fn work(url: &str, in_flight: usize, each: usize) -> Result<(), Failure> {
    let journal = Postgres::connect(url).await?;
    let coordinator = Coordinator::builder(Nothing)
        .journal(journal)
        .register::<Three>()
        .start()
        .await?;
    let asked = coordinator.clone();
    customers::serve(in_flight, each, move |id, number| {
        let coordinator = asked.clone();
        async move {
            let ended = coordinator.execute(id, Three { number }).await;
            ended.map(drop).map_err(|error| error.to_string().into())
        }
    })
    .await?;
    coordinator.shutdown().await;
    Ok(())
}
