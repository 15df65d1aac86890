//! Sagas on a journal of this process.

use std::time::Duration;

use observed::traces::OpenTelemetry;
use saga_runtime::coordinator::{ExecuteError, OperatorError, Rejected, StartError, SubmitError};
use saga_runtime::journal::{Journal, JournalError};
use saga_runtime::meta::RetryPolicy;
use saga_runtime::operator::Operator;
use saga_runtime::{Coordinator, SagaId};
use tonic::Status;

use super::super::{APPROVAL, CheckoutError, PlaceOrder, Receipt, Shop, Verdict, failure, second};
use super::{Deployed, does_not_wait, no_such_order};

/// A coordinator on a journal.
#[derive(Debug, Clone)]
pub(super) struct OnJournal {
    coordinator: Coordinator<Shop>,
    deployed: Deployed,
}

impl OnJournal {
    pub(super) async fn start(shop: Shop, journal: impl Journal) -> Result<Self, StartError> {
        // The journal belongs to this process, so the lease does not matter.
        Self::start_shared(shop, journal, Duration::from_secs(30), Deployed::First).await
    }

    pub(super) async fn start_shared(
        shop: Shop,
        journal: impl Journal,
        lease: Duration,
        deployed: Deployed,
    ) -> Result<Self, StartError> {
        let mut builder = Coordinator::builder(shop)
            .journal(journal)
            .register::<PlaceOrder>();
        if deployed == Deployed::Both {
            builder = builder.register::<second::PlaceOrder>();
        }
        let coordinator = builder
            .worker("orders")
            .trace_propagator(OpenTelemetry::default())
            .lease(lease)
            // Its callers wait for the answer, also where something can't be undone.
            .compensation_retry(RetryPolicy::COMPENSATION)
            .start()
            .await?;
        Ok(Self {
            coordinator,
            deployed,
        })
    }

    pub(super) async fn place(&self, id: SagaId, saga: PlaceOrder) -> Result<Receipt, Status> {
        let placed = match self.deployed {
            Deployed::First => self.coordinator.execute(id, saga).await,
            Deployed::Both => {
                let PlaceOrder { request } = saga;
                let saga = second::PlaceOrder { request };
                self.coordinator.execute(id, saga).await
            }
        };
        placed.map_err(|error| status(&error))
    }

    /// A verdict that came too early would be kept for later, and one that came twice would be left over. So only an order
    /// that waits gets one; of two at the same moment the first counts.
    pub(super) async fn decide(&self, id: &SagaId, verdict: &Verdict) -> Result<(), Status> {
        let unavailable = |error: JournalError| Status::unavailable(error.to_string());
        let inspected = self.coordinator.inspect(id).await.map_err(unavailable)?;
        let order = inspected.ok_or_else(|| no_such_order(id))?;
        if !order.awaits(APPROVAL) {
            return Err(does_not_wait(id, order.record.state));
        }
        let sent = self.coordinator.send(id, APPROVAL, verdict).await;
        sent.map_err(|error| match error {
            OperatorError::Unknown => Status::not_found(error.to_string()),
            OperatorError::Final(_) | OperatorError::Stuck => {
                Status::failed_precondition(error.to_string())
            }
            _ => Status::unavailable(error.to_string()),
        })
    }

    pub(super) fn operator(&self) -> Operator {
        Operator::of(&self.coordinator)
    }

    pub(super) async fn drain(&self) {
        self.coordinator.shutdown().await;
    }
}

/// What a caller is told who gets no receipt.
fn status(error: &ExecuteError<CheckoutError>) -> Status {
    if let Some(error) = error.saga_error() {
        return failure::status(error);
    }
    let message = error.to_string();
    match error {
        ExecuteError::Stuck(_) => Status::internal(message),
        ExecuteError::NotStarted(SubmitError::Conflict { .. }) => Status::already_exists(message),
        ExecuteError::NotStarted(SubmitError::Rejected(rejected)) => match rejected {
            Rejected::ShuttingDown => Status::unavailable("the checkout is closing"),
            _ => Status::invalid_argument(message),
        },
        _ => Status::unavailable(message),
    }
}
