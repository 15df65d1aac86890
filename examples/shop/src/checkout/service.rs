//! The checkout over gRPC: runs one saga per call, to its end even if the caller hangs up.

use std::sync::Arc;

use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status};
use tracing::Instrument as _;

use super::{OrderRequest, PlaceOrder, Shop, failure};
use crate::money::Money;
use crate::proto::checkout::checkout_server::Checkout;
use crate::proto::checkout::{PlaceOrderRequest, Receipt};
use crate::rejection::{Rejection, positive};

/// Answers the calls of `shop.checkout.v1.Checkout`.
#[derive(Debug, Clone)]
pub struct CheckoutService {
    shop: Arc<Shop>,
    sagas: TaskTracker,
}

impl CheckoutService {
    /// A checkout that sells through these services.
    #[must_use]
    pub fn new(shop: Shop) -> Self {
        Self {
            shop: Arc::new(shop),
            sagas: TaskTracker::new(),
        }
    }

    /// Begins no saga from now on, and waits until those under way have ended.
    pub async fn drained(self) {
        self.sagas.close();
        self.sagas.wait().await;
    }
}

#[tonic::async_trait]
impl Checkout for CheckoutService {
    async fn place_order(
        &self,
        request: Request<PlaceOrderRequest>,
    ) -> Result<Response<Receipt>, Status> {
        let request = OrderRequest::try_from(request.into_inner())?;
        if self.sagas.is_closed() {
            return Err(Status::unavailable("the checkout is closing"));
        }
        let shop = Arc::clone(&self.shop);
        // A task of its own: dropped with the call, the saga would leave half an order behind.
        let saga = async move { PlaceOrder { request }.execute(&shop).await };
        match self.sagas.spawn(saga.in_current_span()).await {
            Ok(Ok(receipt)) => Ok(Response::new(receipt.into())),
            Ok(Err(error)) => Err(failure::status(&error)),
            Err(_panicked) => Err(Status::internal("the checkout failed; its log says where")),
        }
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
