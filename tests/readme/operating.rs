//! What operators do with a saga that is stuck.

use saga_runtime::coordinator::OperatorError;
use saga_runtime::journal::{Filter, State};
use saga_runtime::{Coordinator, SagaId};

async fn operate(coordinator: Coordinator<()>, id: &SagaId) -> Result<(), OperatorError> {
    for stuck in coordinator.list(&Filter::default().state(State::Stuck)).await?.sagas {
        if let Some(history) = coordinator.inspect(&stuck.saga.id).await? {
            println!("{history}");
        }
    }
    coordinator.retry(id, "the bank is open again").await?;
    // or, when it was done by hand: `#1` behind the step's name would be its second call
    coordinator.resolve_compensation(id, "charge", "refunded on the bank's site, by Ann").await?;
    // or, when it is to stay as it is
    coordinator.skip_compensation(id, "charge", "they keep the parcel").await?;
    Ok(())
}
