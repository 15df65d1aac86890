//! The worker that runs the sagas.

use saga_runtime::Coordinator;
use saga_runtime::journal::Postgres;

use crate::customers::{self, Failure};
use crate::three::{Nothing, Three};

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
