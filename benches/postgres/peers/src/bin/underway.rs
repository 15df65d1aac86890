//! Jobs of three steps on underway. It does not tell how a job has ended, so the last step tells the customer, shortly before its commit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use postgres_peers::customers::{self, Failure};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgPoolOptions;
use tokio::sync::oneshot;
use underway::{Job, To};

#[derive(Serialize, Deserialize)]
struct Saga {
    id: String,
    number: u64,
}

/// The customers who wait for the end of their jobs.
type Waiting = Arc<Mutex<HashMap<String, oneshot::Sender<()>>>>;

fn next(saga: Saga) -> Saga {
    Saga {
        number: saga.number + 1,
        ..saga
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (url, in_flight, each) = postgres_peers::arguments()?;
    let pool = PgPoolOptions::new().max_connections(postgres_peers::CONNECTIONS);
    let pool = pool.connect(&url).await?;
    underway::run_migrations(&pool).await?;
    let waiting = Waiting::default();
    let job = Job::builder()
        .state(Arc::clone(&waiting))
        .step(|_cx, saga: Saga| async move { To::next(next(saga)) })
        .step(|_cx, saga: Saga| async move { To::next(next(saga)) })
        .step(|cx, saga: Saga| async move {
            let mut waiting = cx.state.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(customer) = waiting.remove(&saga.id) {
                let _ = customer.send(());
            }
            drop(waiting);
            To::done()
        })
        .name("three")
        .pool(pool)
        .build()
        .await?;
    let mut worker = job.worker();
    worker.set_concurrency_limit(in_flight.max(2));
    tokio::spawn(async move { worker.run().await });
    customers::serve(in_flight, each, move |id, number| {
        let (job, waiting) = (job.clone(), Arc::clone(&waiting));
        async move {
            let (ended, end) = oneshot::channel();
            waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(id.clone(), ended);
            job.enqueue(&Saga { id, number }).await?;
            end.await?;
            Ok(())
        }
    })
    .await
}
