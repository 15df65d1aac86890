//! Runs the sagas of the tests in process.

use saga_runtime::coordinator::Registrable;
use saga_runtime::{EventName, Events, InProcess, SagaError, SagaId};
use tokio_util::sync::CancellationToken;

use crate::capability::Capability;
use crate::participant::Participant;

/// The capabilities that it lacks, each with the reason.
pub(crate) const LACKS: &[(Capability, &str)] = &[(
    Capability::RecordsErrors,
    "a saga in process has one caller, who gets the error itself",
)];

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
    let engine = InProcess::new(participant).saga_id(SagaId::new("saga").expect("a valid id"));
    match cancellation {
        Some(cancellation) => engine.cancelled_by(cancellation).execute(saga).await,
        None => engine.execute(saga).await,
    }
}

/// Runs `saga` under the id `saga`, to which these events are sent.
pub(crate) async fn run_told<G: Registrable<Participant>>(
    participant: &Participant,
    saga: G,
    told: &[(EventName<u32>, u32)],
) -> Result<G::Output, SagaError<G::Error>> {
    let events = Events::new();
    for (name, value) in told {
        events.send(*name, value).expect("numbers are JSON");
    }
    let id = SagaId::new("saga").expect("a valid id");
    let engine = InProcess::new(participant).saga_id(id).receives(events);
    engine.execute(saga).await
}
