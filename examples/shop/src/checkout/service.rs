//! The checkout over gRPC: one saga per order, which goes on if the caller hangs up or the process ends.

use saga_runtime::SagaId;
use tonic::{Request, Response, Status};

use super::engine::Engine;
use super::{OrderRequest, PlaceOrder, Verdict};
use crate::item::{self, LineItem};
use crate::proto::checkout::checkout_server::Checkout;
use crate::proto::checkout::{
    ApproveRequest, ApproveResponse, PlaceOrderRequest, Receipt, RejectRequest, RejectResponse,
};
use crate::rejection::{Rejection, positive};

/// Answers the calls of `shop.checkout.v1.Checkout`.
#[derive(Debug, Clone)]
pub struct CheckoutService {
    engine: Engine,
}

impl CheckoutService {
    /// A checkout whose sagas are run by this engine.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        Self { engine }
    }

    /// Begins no saga from now on, and waits until the requests under way are answered. What is open then goes on in the
    /// next process.
    pub async fn drained(self) {
        self.engine.drain().await;
    }

    async fn decide(&self, request_id: &str, verdict: &Verdict) -> Result<(), Status> {
        self.engine.decide(&saga_id(request_id)?, verdict).await
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
        let receipt = self.engine.place(id, PlaceOrder { request }).await?;
        Ok(Response::new(receipt.into()))
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

fn saga_id(request_id: &str) -> Result<SagaId, Status> {
    SagaId::new(request_id).map_err(|error| Status::invalid_argument(error.to_string()))
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
