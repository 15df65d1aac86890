//! What a client of Restate can say of a saga. Its steps, and the list of all sagas, are shown by Restate itself.

use saga_restate::{Client, ClientError, ExecuteError};
use saga_runtime::SagaId;

use crate::address::Address;
use crate::checkout::PlaceOrder;

/// Where a list of the sagas is.
pub(super) const LISTED_THERE: &str = "these sagas are on Restate, which lists them itself: see its web UI, \
    at the path /ui/ of its admin port (9070 if nothing else is set)";

/// How the saga has ended, or that it has not; `None` if there is none.
///
/// # Errors
/// When Restate can't be reached.
pub(super) async fn saga(ingress: &Address, id: &SagaId) -> anyhow::Result<Option<String>> {
    let client = Client::connect(&ingress.to_string())?;
    let saga = match client.find::<PlaceOrder>(id.clone()).await {
        Ok(saga) => saga,
        Err(ClientError::Unknown { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let end = match saga.outcome().await {
        Ok(None) => "in progress".to_owned(),
        Ok(Some(_)) => "completed".to_owned(),
        Err(ExecuteError::Client(error)) => return Err(error.into()),
        Err(failed) => failed.to_string(),
    };
    let invocation = saga.invocation();
    Ok(Some(format!(
        "saga {id}: {end}\n\
         its steps are in Restate's web UI, at /ui/invocations/{invocation} of its admin port\n"
    )))
}
