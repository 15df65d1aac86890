//! A saga that was started.

use restate_sdk::ingress::{self, InvocationHandle, Output, RequestExecutor};
use saga_runtime::engine::from_json;
use saga_runtime::operator::SagaCommand;
use saga_runtime::{EventName, Saga, SagaId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Client, ClientError, ExecuteError, Http};
use crate::decision::Trouble;
use crate::journal::Recorded;
use crate::workflow::CANCEL;

/// A saga on Restate.
pub struct SagaHandle<G, T = Http> {
    client: Client<T>,
    id: SagaId,
    invocation: InvocationHandle<T, Recorded>,
    saga: std::marker::PhantomData<fn() -> G>,
}

impl<G: Saga, T> std::fmt::Debug for SagaHandle<G, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SagaHandle")
            .field("saga", &G::META.name)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl<G: Saga, T: RequestExecutor> SagaHandle<G, T> {
    pub(super) fn new(
        client: Client<T>,
        id: SagaId,
        invocation: InvocationHandle<T, Recorded>,
    ) -> Self {
        Self {
            client,
            id,
            invocation,
            saga: std::marker::PhantomData,
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &SagaId {
        &self.id
    }

    /// The id of its invocation, which Restate's command line and web UI show.
    #[must_use]
    pub fn invocation(&self) -> &str {
        self.invocation.invocation_id()
    }

    /// Waits for its end, or until it is stuck.
    ///
    /// # Errors
    /// [`ExecuteError::Failed`] if it failed. [`ExecuteError::Stuck`] if it waits for the decision of an operator. If Restate
    /// can't be reached, the saga goes on: ask again.
    pub async fn wait(&self) -> Result<G::Output, ExecuteError> {
        let ended = tokio::select! {
            ended = self.invocation.attach() => ended,
            stuck = self.client.becomes_stuck::<G>(&self.id) => {
                return Err(ExecuteError::Stuck(Box::new(stuck)));
            }
        };
        result_of::<G>(ended.map(http::Response::into_body))
    }

    /// The trouble that it is in, if it is, and the commands that it takes.
    ///
    /// # Errors
    /// If Restate can't be reached.
    pub async fn trouble(&self) -> Result<Option<Trouble>, ClientError> {
        self.client.trouble(G::META.name, &self.id).await
    }

    /// Gives it a command: see [`Client::operate`].
    ///
    /// # Errors
    /// As those of [`Client::operate`].
    pub async fn operate(&self, command: SagaCommand, reason: &str) -> Result<(), ClientError> {
        let id = self.id.clone();
        self.client.operate(G::META.name, id, command, reason).await
    }

    /// Waits until it is ended in a way that is not its own.
    pub(super) async fn is_ended_by_restate(&self) {
        let ended = self.invocation.attach().await;
        if !matches!(
            ended.map_err(ExecuteError::from_ingress),
            Err(ExecuteError::Ended { .. })
        ) {
            std::future::pending::<()>().await;
        }
    }

    /// Its result, if it has ended.
    ///
    /// # Errors
    /// As those of [`wait`](Self::wait).
    pub async fn outcome(&self) -> Result<Option<G::Output>, ExecuteError> {
        let output = self.invocation.output().await;
        match output.map_err(ExecuteError::from_ingress)?.into_body() {
            Output::NotReady => Ok(None),
            Output::Ready(json) => result::<G>(&json).map(Some),
        }
    }

    /// Cancels it: the current attempt ends, then the steps that are done are compensated. After the pivot it has no
    /// effect. When this returns, the saga knows of it: no step is begun any more.
    ///
    /// # Errors
    /// If it has not begun yet, or Restate can't be reached.
    pub async fn cancel(&self) -> Result<(), ClientError> {
        let cancelled = self
            .client
            .call(G::META.name, &self.id, CANCEL, Recorded::new());
        match cancelled.await {
            Ok(_) => Ok(()),
            Err(error) => Err(error.unknown::<G>(&self.id)),
        }
    }

    /// Sends it an event, which ends one wait for it, now or later. It waits while the service is away, as
    /// [`Client::send`](super::Client::send) does.
    ///
    /// # Errors
    /// If Restate can't be reached.
    pub async fn send<V: Serialize + DeserializeOwned>(
        &self,
        name: EventName<V>,
        value: &V,
    ) -> Result<(), ClientError> {
        self.client.send_to::<G, V>(&self.id, name, value).await
    }
}

/// The end of a saga, read from the result of its invocation.
pub(super) fn result_of<G: Saga>(
    ended: Result<Recorded, ingress::ClientError>,
) -> Result<G::Output, ExecuteError> {
    result::<G>(&ended.map_err(ExecuteError::from_ingress)?)
}

fn result<G: Saga>(json: &[u8]) -> Result<G::Output, ExecuteError> {
    let json = std::str::from_utf8(json).map_err(serde::de::Error::custom);
    json.and_then(from_json).map_err(ExecuteError::Result)
}
