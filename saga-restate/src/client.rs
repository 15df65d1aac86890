//! A client: starts sagas by their ids through Restate's ingress, waits for them, cancels them, sends them events.

mod error;
mod handle;
mod http;
mod operator;

use ::http::{HeaderName, HeaderValue, StatusCode};
use restate_sdk::ingress::{self, CallResponse, RequestExecutor, RequestTarget, SendStatus};
use saga_runtime::engine::{input_to_json, is_same_input};
use saga_runtime::trace::TraceContext;
use saga_runtime::{EventName, InvalidSagaId, Saga, SagaId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

pub use error::{ClientError, ExecuteError};
pub use handle::SagaHandle;
pub use http::{Http, HttpError};

use self::handle::result_of;
use crate::clock::millis;
use crate::journal::Recorded;
use crate::workflow::{BEGAN, Event, INPUT, RUN, SEND};

/// Starts sagas on Restate and reports their ends.
///
/// It speaks plain HTTP. For TLS, tokens or a proxy give it [a client of the SDK](Self::over).
pub struct Client<T = Http> {
    ingress: ingress::Client<T>,
    /// The trace of the sagas that it starts.
    trace: Option<TraceContext>,
}

impl<T> Clone for Client<T> {
    fn clone(&self) -> Self {
        Self {
            ingress: self.ingress.clone(),
            trace: self.trace.clone(),
        }
    }
}

impl<T> std::fmt::Debug for Client<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the Restate server whose ingress is at this address: `http://127.0.0.1:8080`.
    ///
    /// # Errors
    /// If it is no such address.
    pub fn connect(ingress: &str) -> Result<Self, ClientError> {
        let address = ingress.parse().map_err(ClientError::address)?;
        let ingress = ingress::Client::new(address, Http::default());
        Ok(Self::over(ingress.map_err(ClientError::address)?))
    }
}

impl<T> Client<T> {
    /// A client over this client of the SDK, which may have another transport and a token.
    #[must_use]
    pub fn over(ingress: ingress::Client<T>) -> Self {
        Self {
            ingress,
            trace: None,
        }
    }

    /// The same client, whose sagas belong to this trace: their steps get it from
    /// [`Context::trace_context`](saga_runtime::Context::trace_context), and the server gets it with the request.
    #[must_use]
    pub fn in_trace(&self, context: TraceContext) -> Self {
        Self {
            trace: Some(context),
            ..self.clone()
        }
    }
}

impl<T: RequestExecutor> Client<T> {
    /// Starts a saga, or finds the one that was started with the same id and the same input. When this returns, Restate has it.
    ///
    /// # Errors
    /// [`ClientError::Input`] if the input can't be read back as the same value from its JSON, like a number that is not
    /// finite. [`ClientError::Conflict`] if the id belongs to a saga with another input. Otherwise Restate could not be
    /// reached and may have the saga or not: ask again.
    pub async fn submit<G: Saga + Serialize + DeserializeOwned>(
        &self,
        id: impl TryInto<SagaId, Error: Into<InvalidSagaId>>,
        saga: &G,
    ) -> Result<SagaHandle<G, T>, ClientError> {
        let id = id.try_into().map_err(|bad| ClientError::Id(bad.into()))?;
        let input = input_to_json(saga).map_err(ClientError::Input)?;
        let starting = self.starting::<G>(&id, input.clone().into_bytes());
        let sent = starting.send().await;
        let sent = sent.map_err(ClientError::from_ingress)?;
        let handle = SagaHandle::new(self.clone(), id, sent.invocation_handle());
        if sent.send_status() == SendStatus::PreviouslyAccepted {
            let known = self.call(G::META.name, handle.id(), INPUT, Recorded::new());
            let known = tokio::select! {
                known = known => known?,
                // It may have been killed before it began. Then its input is not known.
                () = handle.is_ended_by_restate() => return Ok(handle),
            };
            let is_same = std::str::from_utf8(&known)
                .is_ok_and(|known| is_same_input(G::equality(), known, &input));
            if !is_same {
                return Err(ClientError::Conflict {
                    saga: G::META.name,
                    id: handle.id().clone(),
                });
            }
        }
        Ok(handle)
    }

    /// Starts a saga and waits for its end.
    ///
    /// # Errors
    /// [`ExecuteError::Failed`] if it failed: the report names the step, the cause and every compensation.
    /// [`ExecuteError::Stuck`] if it waits for the decision of an operator.
    pub async fn execute<G: Saga + Serialize + DeserializeOwned>(
        &self,
        id: impl TryInto<SagaId, Error: Into<InvalidSagaId>>,
        saga: &G,
    ) -> Result<G::Output, ExecuteError> {
        let id = id.try_into().map_err(|bad| ClientError::Id(bad.into()))?;
        let input = input_to_json(saga).map_err(ClientError::Input)?;
        let called = self.starting::<G>(&id, input.into_bytes()).call();
        let called = tokio::select! {
            called = called => called,
            stuck = self.becomes_stuck::<G>(&id) => return Err(ExecuteError::Stuck(Box::new(stuck))),
        };
        let ended = called.and_then(CallResponse::into_body);
        if !ended.as_ref().is_err_and(is_conflict) {
            return result_of::<G>(ended);
        }
        // It was started before, or it was killed.
        self.submit(id, saga).await?.wait().await
    }

    /// The request that starts a saga.
    fn starting<G: Saga>(
        &self,
        id: &SagaId,
        input: Recorded,
    ) -> ingress::Request<T, Recorded, Recorded> {
        let starting = self.request(G::META.name, id, RUN, input);
        let starting = starting.header(HeaderName::from_static(BEGAN), millis().into());
        let trace = self.trace.as_ref();
        let headers = trace.into_iter().flat_map(TraceContext::headers);
        headers.fold(starting, |starting, (name, value)| {
            match HeaderValue::from_str(value) {
                Ok(value) => starting.header(HeaderName::from_static(name), value),
                // The saga does not fail for its trace.
                Err(_) => starting,
            }
        })
    }

    /// The saga with this id, which was started before.
    ///
    /// # Errors
    /// [`ClientError::Unknown`] if it was not.
    pub async fn find<G: Saga>(
        &self,
        id: impl TryInto<SagaId, Error: Into<InvalidSagaId>>,
    ) -> Result<SagaHandle<G, T>, ClientError> {
        let id = id.try_into().map_err(|bad| ClientError::Id(bad.into()))?;
        let found = self
            .ingress
            .lookup_workflow(G::META.name, id.as_str(), None)
            .await;
        // An id follows from the key, even if there is no such invocation.
        let known = match found {
            Ok(invocation) => match invocation.output().await {
                Err(error) if is_unknown(&error) => Err(error),
                _ => Ok(invocation),
            },
            Err(error) => Err(error),
        };
        match known {
            Ok(invocation) => Ok(SagaHandle::new(self.clone(), id, invocation)),
            Err(error) => Err(ClientError::from_ingress(error).unknown::<G>(&id)),
        }
    }

    /// Sends an event to the saga `G` with this id, which ends one wait for it. The saga need not have been started yet.
    ///
    /// When this returns, the saga has got the event. While Restate can't reach the service, this waits: put a timeout around it if the
    /// caller must go on. Restate has the event by then, and delivers it when the service is back.
    ///
    /// # Cancel safety
    /// A dropped future may or may not have sent the event. One that is sent again is a second event.
    ///
    /// # Errors
    /// [`ClientError::Input`] if the value can't be read back from its JSON. Otherwise Restate can't be reached.
    pub async fn send<G: Saga, V: Serialize + DeserializeOwned>(
        &self,
        id: impl TryInto<SagaId, Error: Into<InvalidSagaId>>,
        name: EventName<V>,
        value: &V,
    ) -> Result<(), ClientError> {
        let id = id.try_into().map_err(|bad| ClientError::Id(bad.into()))?;
        self.send_to::<G, V>(&id, name, value).await
    }

    async fn send_to<G: Saga, V: Serialize + DeserializeOwned>(
        &self,
        id: &SagaId,
        name: EventName<V>,
        value: &V,
    ) -> Result<(), ClientError> {
        let value = name.write(value).map_err(ClientError::Input)?;
        let value = RawValue::from_string(value).map_err(ClientError::Input)?;
        self.send_json(G::META.name, id, name.name(), &value).await
    }

    async fn send_json(
        &self,
        saga: &str,
        id: &SagaId,
        name: &str,
        value: &impl Serialize,
    ) -> Result<(), ClientError> {
        let value = serde_json::value::to_raw_value(value).map_err(ClientError::Input)?;
        let event = Event {
            name: name.to_owned(),
            at: millis(),
            value,
        };
        let event = serde_json::to_vec(&event).map_err(ClientError::Input)?;
        self.call(saga, id, SEND, event).await.map(drop)
    }

    fn request(
        &self,
        saga: &str,
        id: &SagaId,
        handler: &str,
        input: Recorded,
    ) -> ingress::Request<T, Recorded, Recorded> {
        let target = RequestTarget::Workflow {
            name: saga.to_owned(),
            key: id.as_str().to_owned(),
            handler: handler.to_owned(),
        };
        let json = HeaderValue::from_static("application/json");
        self.ingress.request(target, input).content_type(json)
    }

    async fn call(
        &self,
        saga: &str,
        id: &SagaId,
        handler: &str,
        input: Recorded,
    ) -> Result<Recorded, ClientError> {
        let response = self.request(saga, id, handler, input).call().await;
        let response = response.map_err(ClientError::from_ingress)?;
        response.into_body().map_err(ClientError::from_ingress)
    }
}

/// Returns true if Restate says that the workflow was started before. A killed one has the same status.
fn is_conflict(error: &ingress::ClientError) -> bool {
    let response = error.response();
    response.is_some_and(|response| response.status() == StatusCode::CONFLICT)
}

/// Returns true if Restate says that there is no such invocation.
fn is_unknown(error: &ingress::ClientError) -> bool {
    let response = error.response();
    response.is_some_and(|response| response.status() == StatusCode::NOT_FOUND)
}
