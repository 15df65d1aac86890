//! The commands of operators on one saga, by its name and its id.

use std::time::Duration;

use restate_sdk::ingress::RequestExecutor;
use saga_runtime::operator::{Refusal, SagaCommand};
use saga_runtime::{InvalidSagaId, Saga, SagaId};

use super::{Client, ClientError};
use crate::clock::millis;
use crate::decision::{Decision, Trouble};
use crate::journal::Recorded;
use crate::workflow::{CANCEL, DECIDE, TROUBLE, WATCH};

/// The time that a caller waits for the end of a saga before it asks if the saga is stuck as well. Most have ended by then.
const BEFORE_WATCH: Duration = Duration::from_secs(1);

impl<T: RequestExecutor> Client<T> {
    /// Gives a command to the saga of this name and id, with a reason, which is recorded. It needs no code of the saga.
    ///
    /// A saga in trouble takes `retry`, `resolve`, `skip` and `abandon`, and `complete` if its pivot gave no answer:
    /// [`Trouble::commands`] lists them. A saga that goes forward takes `cancel`, and any open one `send`. The guide has the
    /// table of states and commands, in its chapter *Operating*.
    ///
    /// ```no_run
    /// use saga_restate::Client;
    /// use saga_runtime::operator::SagaCommand;
    ///
    /// # async fn refunded() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = Client::connect("http://127.0.0.1:8080")?;
    /// if let Some(trouble) = client.trouble("place_order", "order-17").await? {
    ///     println!("{trouble}: {:?}", trouble.commands);
    /// }
    /// let command = SagaCommand::Resolve { step: "charge".into() };
    /// client.operate("place_order", "order-17", command, "refunded by hand, case 4711").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ClientError::Declined`] if the saga does not take the command now: the text says which ones it takes. If there is no such
    /// saga, or Restate can't be reached.
    pub async fn operate(
        &self,
        saga: &str,
        id: impl TryInto<SagaId, Error: Into<InvalidSagaId>>,
        command: SagaCommand,
        reason: &str,
    ) -> Result<(), ClientError> {
        let id = id.try_into().map_err(|bad| ClientError::Id(bad.into()))?;
        let operated = match command {
            SagaCommand::Cancel => self.call(saga, &id, CANCEL, Recorded::new()).await,
            SagaCommand::SendEvent { event, value } => {
                return self.send_json(saga, &id, &event, &value).await;
            }
            SagaCommand::DropEvent { event } => {
                let message = format!("Restate has no way to drop the event `{event}`");
                return Err(ClientError::Declined(Refusal::new("no_event", message)));
            }
            command => {
                let decision = Decision {
                    command,
                    reason: reason.to_owned(),
                    at: millis(),
                };
                let decision = serde_json::to_vec(&decision).map_err(ClientError::Input)?;
                self.call(saga, &id, DECIDE, decision).await
            }
        };
        operated.map(drop).map_err(ClientError::declined)
    }

    /// The trouble that the saga of this name and id is in, if it is, and the commands that it takes.
    ///
    /// # Errors
    /// If Restate can't be reached.
    pub async fn trouble(
        &self,
        saga: &str,
        id: impl TryInto<SagaId, Error: Into<InvalidSagaId>>,
    ) -> Result<Option<Trouble>, ClientError> {
        let id = id.try_into().map_err(|bad| ClientError::Id(bad.into()))?;
        read(&self.call(saga, &id, TROUBLE, Recorded::new()).await?)
    }

    /// Waits until the saga is stuck. Does not end if it never is, or if the service or Restate does not tell.
    pub(super) async fn becomes_stuck<G: Saga>(&self, id: &SagaId) -> Trouble {
        tokio::time::sleep(BEFORE_WATCH).await;
        let watched = self.call(G::META.name, id, WATCH, Recorded::new()).await;
        match watched.map(|stuck| read(&stuck)) {
            Ok(Ok(Some(stuck))) => stuck,
            _ => std::future::pending().await,
        }
    }
}

fn read(stuck: &[u8]) -> Result<Option<Trouble>, ClientError> {
    if stuck.is_empty() {
        return Ok(None);
    }
    let stuck = serde_json::from_slice(stuck);
    stuck.map(Some).map_err(ClientError::Input)
}
