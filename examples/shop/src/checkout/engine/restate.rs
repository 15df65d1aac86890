//! Sagas on a Restate server: a client that starts them there, and an endpoint at which the server finds them.

use std::time::Duration;

use saga_restate::{Client, ClientError, Endpoint, ExecuteError};
use saga_runtime::SagaId;
use saga_runtime::meta::RetryPolicy;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::Status;

use super::super::{APPROVAL, PlaceOrder, Receipt, Shop, Verdict, failure};
use super::{does_not_wait, no_such_order};
use crate::address::Address;

/// How long an attempt of a step may be under way: a little more than any of them is given.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(3);

/// A client of a Restate server, and the endpoint that it calls.
#[derive(Debug, Clone)]
pub(super) struct OnRestate {
    client: Client,
    endpoint: TaskTracker,
    closing: CancellationToken,
}

impl OnRestate {
    pub(super) fn start(
        shop: Shop,
        ingress: &Address,
        listener: TcpListener,
    ) -> Result<Self, ClientError> {
        let client = Client::connect(&ingress.to_string())?;
        let (endpoint, closing) = (TaskTracker::new(), CancellationToken::new());
        let sagas = Endpoint::builder(shop)
            .compensation_retry(RetryPolicy::COMPENSATION)
            .register::<PlaceOrder>();
        endpoint.spawn(sagas.serve_until(listener, closing.clone().cancelled_owned()));
        endpoint.close();
        Ok(Self {
            client,
            endpoint,
            closing,
        })
    }

    pub(super) async fn place(&self, id: SagaId, saga: PlaceOrder) -> Result<Receipt, Status> {
        if self.closing.is_cancelled() {
            return Err(Status::unavailable("the checkout is closing"));
        }
        tokio::select! {
            placed = self.client.execute(id.clone(), &saga) => placed.map_err(|error| status(&error)),
            () = self.closing.cancelled() => Err(Status::unavailable(format!(
                "order `{id}` is still in progress: the checkout is closing"
            ))),
        }
    }

    /// Restate does not say what an order waits for. So a verdict that comes early is kept until the order asks for it, and
    /// of two the first counts.
    pub(super) async fn decide(&self, id: &SagaId, verdict: &Verdict) -> Result<(), Status> {
        let found = self.client.find::<PlaceOrder>(id.clone()).await;
        let order = found.map_err(|error| not_done(&error))?;
        let state = match order.outcome().await {
            // An operator decides about it, and nobody's approval.
            Ok(None) => {
                let trouble = order.trouble().await;
                trouble.map_err(|error| not_done(&error))?.map(|_| "stuck")
            }
            Ok(Some(_)) => Some("completed"),
            Err(ExecuteError::Failed(report)) if report.is_compensated => Some("compensated"),
            Err(ExecuteError::Client(error)) => return Err(not_done(&error)),
            Err(_) => Some("stuck"),
        };
        if let Some(state) = state {
            return Err(does_not_wait(id, state));
        }
        let sent = order.send(APPROVAL, verdict).await;
        sent.map_err(|error| not_done(&error))
    }

    /// Orders that wait for an approval are connected as well, and would wait on. Nothing is lost when they are cut off: the
    /// server goes on with them in the next process, or in another one.
    pub(super) async fn drain(&self) {
        self.closing.cancel();
        let ended = tokio::time::timeout(LONGEST_ATTEMPT, self.endpoint.wait());
        if ended.await.is_err() {
            tracing::info!("some orders are left to the next process");
        }
    }
}

/// What a caller is told who gets no receipt.
fn status(error: &ExecuteError) -> Status {
    match error {
        ExecuteError::Failed(report) => failure::reported(report),
        ExecuteError::Stuck(trouble) => failure::reported(&trouble.report),
        ExecuteError::Client(error) => not_done(error),
        // It was killed, or can't be read: nobody knows what it has left behind.
        _ => Status::internal(error.to_string()),
    }
}

fn not_done(error: &ClientError) -> Status {
    let message = error.to_string();
    match error {
        ClientError::Conflict { .. } => Status::already_exists(message),
        ClientError::Unknown { id, .. } => no_such_order(id),
        ClientError::Id(_) | ClientError::Input(_) => Status::invalid_argument(message),
        _ => Status::unavailable(message),
    }
}
