//! The work of operators on a stuck saga.

use saga_runtime::Coordinator;
use saga_runtime::coordinator::OperatorError;
use saga_runtime::journal::{Filter, State};

async fn operate(coordinator: Coordinator<()>) -> Result<(), OperatorError> {
    for stuck in coordinator.list(&Filter::default().state(State::Stuck)).await?.sagas {
        if let Some(history) = coordinator.inspect(&stuck.saga.id).await? {
            println!("{history}");
        }
    }
    coordinator.retry("order-17", "the bank is open again").await?;
    // or, when it was done by hand: `#1` behind the step's name would be its second call
    coordinator.resolve_compensation("order-17", "charge", "refunded by hand, Ann").await?;
    // or, when it is to stay as it is
    coordinator.skip_compensation("order-17", "charge", "they keep the parcel").await?;
    Ok(())
}
