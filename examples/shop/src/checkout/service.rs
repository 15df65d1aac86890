//! The checkout over gRPC: one saga per order, which goes on if the caller hangs up or the process ends.

use saga_runtime::coordinator::{ExecuteError, OperatorError, Rejected, StartError, SubmitError};
use saga_runtime::journal::{Journal, JournalError};
use saga_runtime::{Coordinator, SagaId};
use tonic::{Request, Response, Status};

use super::{APPROVAL, CheckoutError, OrderRequest, PlaceOrder, Shop, Verdict, failure};
use crate::item::{self, LineItem};
use crate::proto::checkout::checkout_server::Checkout;
use crate::proto::checkout::{
    ApproveRequest, ApproveResponse, PlaceOrderRequest, Receipt, RejectRequest, RejectResponse,
};
use crate::rejection::{Rejection, positive};

/// Answers the calls of `shop.checkout.v1.Checkout`.
#[derive(Debug, Clone)]
pub struct CheckoutService {
    coordinator: Coordinator<Shop>,
}

impl CheckoutService {
    /// A checkout that sells through these services, and first goes on with what is open in the journal.
    ///
    /// # Errors
    /// When the journal can't be used.
    pub async fn open(shop: Shop, journal: impl Journal) -> Result<Self, StartError> {
        let coordinator = Coordinator::builder(shop)
            .journal(journal)
            .register::<PlaceOrder>()
            .worker("orders")
            .start()
            .await?;
        Ok(Self { coordinator })
    }

    /// Begins no saga from now on, and waits until the requests under way are answered. What is open then goes on in the
    /// next process.
    pub async fn drained(self) {
        self.coordinator.shutdown().await;
    }
}

#[tonic::async_trait]
impl Checkout for CheckoutService {
    async fn place_order(
        &self,
        request: Request<PlaceOrderRequest>,
    ) -> Result<Response<Receipt>, Status> {
        let request = request.into_inner();
        let id = match request.request_id.as_str() {
            "" => SagaId::generate(),
            id => saga_id(id)?,
        };
        let request = OrderRequest::try_from(request)?;
        match self.coordinator.execute(id, PlaceOrder { request }).await {
            Ok(receipt) => Ok(Response::new(receipt.into())),
            Err(error) => Err(status(&error)),
        }
    }

    async fn approve(
        &self,
        request: Request<ApproveRequest>,
    ) -> Result<Response<ApproveResponse>, Status> {
        let request = request.into_inner();
        self.decide(&request.request_id, &Verdict::Approved).await?;
        Ok(Response::new(ApproveResponse {}))
    }

    async fn reject(
        &self,
        request: Request<RejectRequest>,
    ) -> Result<Response<RejectResponse>, Status> {
        let RejectRequest { request_id, reason } = request.into_inner();
        let verdict = Verdict::Rejected { reason };
        self.decide(&request_id, &verdict).await?;
        Ok(Response::new(RejectResponse {}))
    }
}

impl CheckoutService {
    /// Tells an order that waits for it what somebody has decided.
    ///
    /// A verdict that came too early would be kept for later, and one that came twice would be left over. So only an order
    /// that waits gets one; of two at the same moment the first counts.
    async fn decide(&self, request_id: &str, verdict: &Verdict) -> Result<(), Status> {
        let id = saga_id(request_id)?;
        let unavailable = |error: JournalError| Status::unavailable(error.to_string());
        let inspected = self.coordinator.inspect(&id).await.map_err(unavailable)?;
        let order =
            inspected.ok_or_else(|| Status::not_found(format!("there is no order `{id}`")))?;
        if !order.awaits(APPROVAL) {
            let state = order.record.state;
            return Err(Status::failed_precondition(format!(
                "order `{id}` does not wait for an approval: it is {state}"
            )));
        }
        let sent = self.coordinator.send(&id, APPROVAL, verdict).await;
        sent.map_err(|error| match error {
            OperatorError::Unknown => Status::not_found(error.to_string()),
            OperatorError::Final(_) | OperatorError::Stuck => {
                Status::failed_precondition(error.to_string())
            }
            _ => Status::unavailable(error.to_string()),
        })
    }
}

fn saga_id(request_id: &str) -> Result<SagaId, Status> {
    SagaId::new(request_id).map_err(|error| Status::invalid_argument(error.to_string()))
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

impl TryFrom<PlaceOrderRequest> for OrderRequest {
    type Error = Rejection;

    fn try_from(request: PlaceOrderRequest) -> Result<Self, Rejection> {
        let items = request.items.into_iter().map(LineItem::try_from);
        let items = items.collect::<Result<Vec<_>, _>>()?;
        // Before anything is begun.
        item::total(&items)?;
        Ok(Self {
            items,
            parcels: positive("parcels", request.parcels)?,
        })
    }
}

impl From<super::Receipt> for Receipt {
    fn from(
        super::Receipt {
            order,
            reservations,
            payment,
            delivery,
        }: super::Receipt,
    ) -> Self {
        Self {
            order: Some(order),
            reservations,
            payment: Some(payment),
            delivery: Some(delivery),
        }
    }
}
