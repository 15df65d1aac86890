//! Runs the sagas of the tests on a journal.

use saga_runtime::coordinator::{ExecuteError, Registrable};
use saga_runtime::journal::Memory;
use saga_runtime::{Coordinator, SagaError};
use tokio_util::sync::CancellationToken;

use crate::participant::Participant;

/// Runs `saga` under the id `saga`; `cancellation` cancels it.
pub(crate) async fn run<G: Registrable<Participant>>(
    participant: &Participant,
    saga: G,
    cancellation: Option<CancellationToken>,
) -> Result<G::Output, SagaError<G::Error>> {
    let coordinator = Coordinator::builder(participant.clone())
        .journal(Memory::new())
        .register::<G>()
        .start()
        .await
        .expect("the journal is new");
    let handle = coordinator
        .submit("saga", saga)
        .await
        .expect("nothing is wrong with it");
    if let Some(cancellation) = cancellation {
        let (coordinator, id) = (coordinator.clone(), handle.id().clone());
        tokio::spawn(async move {
            cancellation.cancelled().await;
            // It may be too late for that.
            let _ = coordinator.cancel(&id, "the test wants it").await;
        });
    }
    match handle.wait().await {
        Ok(output) => Ok(output),
        Err(ExecuteError::Failed(error)) => Err(error),
        Err(ExecuteError::Stuck(stuck)) if stuck.error.is_some() => {
            Err(stuck.error.expect("it is there"))
        }
        Err(other) => panic!("{other}"),
    }
}
