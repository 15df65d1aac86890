//! Runs the sagas of the tests on a journal.

use std::time::Duration;

use saga_runtime::coordinator::{ExecuteError, Handle, Registrable};
use saga_runtime::journal::Memory;
use saga_runtime::meta::RetryPolicy;
use saga_runtime::{Coordinator, EventName, SagaError};
use tokio_util::sync::CancellationToken;

use crate::capability::Capability;
use crate::participant::Participant;

/// The capabilities that it lacks, each with the reason.
pub(crate) const LACKS: &[(Capability, &str)] = &[];

/// The number of random sagas that are compared with the model.
pub(crate) const RANDOM_SAGAS: u32 = 2000;

/// The most sagas that are tried to make a failing one smaller.
pub(crate) const SMALLER_SAGAS: u32 = 20_000;

/// From which attempt of a step on they have the same number, if they have.
pub(crate) const COUNTED_ATTEMPTS: Option<u32> = None;

/// Says whether a cancellation takes its time until the engine hears of it.
pub(crate) const HEARS_LATER: bool = false;

/// The id or key by which a test knows this one.
pub(crate) fn known(text: &str) -> String {
    text.to_owned()
}

/// Runs `saga` under the id `saga`; `cancellation` cancels it.
pub(crate) async fn run<G: Registrable<Participant>>(
    participant: &Participant,
    saga: G,
    cancellation: Option<CancellationToken>,
) -> Result<G::Output, SagaError<G::Error>> {
    let (coordinator, handle) = submitted(participant, saga).await;
    if let Some(cancellation) = cancellation {
        let (coordinator, id) = (coordinator.clone(), handle.id().clone());
        tokio::spawn(async move {
            cancellation.cancelled().await;
            // It may be too late for that.
            let _ = coordinator.cancel(&id, "the test wants it").await;
        });
    }
    ended(handle).await
}

/// Runs `saga` under the id `saga`, to which these events are sent.
pub(crate) async fn run_told<G: Registrable<Participant>>(
    participant: &Participant,
    saga: G,
    told: &[(EventName<u32>, u32)],
) -> Result<G::Output, SagaError<G::Error>> {
    let (coordinator, handle) = submitted(participant, saga).await;
    for (name, value) in told {
        let sent = coordinator.send(handle.id(), *name, value).await;
        sent.expect("it has not ended");
    }
    ended(handle).await
}

async fn submitted<G: Registrable<Participant>>(
    participant: &Participant,
    saga: G,
) -> (Coordinator<Participant>, Handle<Participant, G>) {
    let coordinator = Coordinator::builder(participant.clone())
        // The tests run on a virtual clock, which does not wake a saga that is released: waits stay in memory.
        .patience(Duration::from_hours(1))
        .attempts_in_order(u32::MAX)
        .compensation_retry(RetryPolicy::COMPENSATION)
        .retriable_retry(RetryPolicy::UNTIL_SUCCESS)
        .journal(Memory::new())
        .register::<G>()
        .start()
        .await
        .expect("the journal is new");
    let handle = coordinator
        .submit("saga", saga)
        .await
        .expect("nothing is wrong with it");
    (coordinator, handle)
}

async fn ended<G: Registrable<Participant>>(
    handle: Handle<Participant, G>,
) -> Result<G::Output, SagaError<G::Error>> {
    match handle.wait().await {
        Ok(output) => Ok(output),
        Err(ExecuteError::Failed(error)) => Err(error),
        Err(ExecuteError::Stuck(stuck)) if stuck.error.is_some() => {
            Err(stuck.error.expect("it is there"))
        }
        Err(other) => panic!("{other}"),
    }
}
