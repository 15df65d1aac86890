//! Runs the sagas of the tests in process.

use saga_runtime::coordinator::Registrable;
use saga_runtime::{InProcess, SagaError, SagaId};
use tokio_util::sync::CancellationToken;

use crate::participant::Participant;

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
