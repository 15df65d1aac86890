//! The checkout over gRPC: one saga per order, which goes on if the caller hangs up or the process ends.

use saga_runtime::coordinator::{ExecuteError, Rejected, StartError, SubmitError};
use saga_runtime::journal::Journal;
use saga_runtime::{Coordinator, SagaId};
use tonic::{Request, Response, Status};

use super::{CheckoutError, OrderRequest, PlaceOrder, Shop, failure};
use crate::money::Money;
use crate::proto::checkout::checkout_server::Checkout;
use crate::proto::checkout::{PlaceOrderRequest, Receipt};
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
            id => SagaId::new(id).map_err(|error| Status::invalid_argument(error.to_string()))?,
        };
        let request = OrderRequest::try_from(request)?;
        match self.coordinator.execute(id, PlaceOrder { request }).await {
            Ok(receipt) => Ok(Response::new(receipt.into())),
            Err(error) => Err(status(&error)),
        }
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

impl TryFrom<PlaceOrderRequest> for OrderRequest {
    type Error = Rejection;

    fn try_from(request: PlaceOrderRequest) -> Result<Self, Rejection> {
        Ok(Self {
            amount: Money::from_minor_units(request.amount)?,
            parcels: positive("parcels", request.parcels)?,
        })
    }
}

impl From<super::Receipt> for Receipt {
    fn from(
        super::Receipt {
            order,
            payment,
            delivery,
        }: super::Receipt,
    ) -> Self {
        Self {
            order: Some(order),
            payment: Some(payment),
            delivery: Some(delivery),
        }
    }
}
