//! Sagas of three steps that do nothing.

use std::time::Instant;

use saga_runtime::journal::Journal;
use saga_runtime::{Context, Coordinator, SagaId, saga, step};
use tokio::task::JoinSet;

/// Nothing: the steps do none of the work that is measured.
pub(crate) struct Nothing;

/// The input of a saga whose last step is refused.
const REFUSED: u64 = 1 << 40;

/// One saga in so many is refused, where some are.
const REFUSED_OF: u64 = 50;

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
    if number == REFUSED + 2 {
        return Err("no courier".to_owned());
    }
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

/// A coordinator on this journal.
pub(crate) async fn start(journal: impl Journal) -> anyhow::Result<Coordinator<Nothing>> {
    let builder = Coordinator::builder(Nothing).journal(journal);
    Ok(builder.register::<Three>().start().await?)
}

/// Runs `each` sagas one after the other, by each of `in_flight` customers. One in fifty is refused and undone.
pub(crate) async fn fill(
    coordinator: &Coordinator<Nothing>,
    in_flight: usize,
    each: usize,
) -> anyhow::Result<()> {
    let mut customers = JoinSet::new();
    for _ in 0..in_flight {
        let coordinator = coordinator.clone();
        customers.spawn(async move {
            for number in 0..each as u64 {
                let is_refused = number % REFUSED_OF == 7;
                let number = if is_refused { REFUSED } else { number };
                let ended = coordinator.execute(SagaId::generate(), Three { number });
                anyhow::ensure!(
                    ended.await.is_err() == is_refused,
                    "{number} ends otherwise"
                );
            }
            anyhow::Ok(())
        });
    }
    while let Some(customer) = customers.join_next().await {
        customer??;
    }
    Ok(())
}

/// Runs `each` sagas one after the other, by each of `in_flight` customers, and says how many ended in a second.
pub(crate) async fn sagas_per_second(
    coordinator: &Coordinator<Nothing>,
    in_flight: usize,
    each: usize,
) -> anyhow::Result<f64> {
    let began = Instant::now();
    let mut customers = JoinSet::new();
    for _ in 0..in_flight {
        let coordinator = coordinator.clone();
        customers.spawn(async move {
            for number in 0..each as u64 {
                let ended = coordinator.execute(SagaId::generate(), Three { number });
                ended.await.map_err(|error| anyhow::anyhow!("{error}"))?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(customer) = customers.join_next().await {
        customer??;
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "there are far fewer sagas than 2^52"
    )]
    let sagas = (in_flight * each) as f64;
    Ok(sagas / began.elapsed().as_secs_f64())
}
