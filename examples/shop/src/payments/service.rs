//! The payments over gRPC: reads requests, asks the store, and can be told to answer late.

use tonic::{Request, Response, Status};

use super::{PaymentFaults, PaymentStore};
use crate::answers;
use crate::money::Money;
use crate::proto::payments::cancel_payment_request::Payment as Target;
use crate::proto::payments::payments_server::Payments;
use crate::proto::payments::{
    CancelPaymentRequest, CancelPaymentResponse, CreatePaymentRequest, Payment,
};
use crate::rejection::{Rejection, positive};

/// Answers the calls of `shop.payments.v1.Payments`.
#[derive(Debug, Clone)]
pub struct PaymentsService {
    store: PaymentStore,
    faults: PaymentFaults,
}

impl PaymentsService {
    /// A service over these payments.
    #[must_use]
    pub fn new(store: PaymentStore, faults: PaymentFaults) -> Self {
        Self { store, faults }
    }
}

#[tonic::async_trait]
impl Payments for PaymentsService {
    async fn create_payment(
        &self,
        request: Request<CreatePaymentRequest>,
    ) -> Result<Response<Payment>, Status> {
        let request = request.into_inner();
        let key = answers::key(request.idempotency_key)?;
        let order_id = positive("order_id", request.order_id)?;
        let amount = Money::from_minor_units(request.amount).map_err(Rejection::from)?;

        let payment = self.store.create(&key, order_id, amount).await?;
        if let Some(duration) = self.faults.stall(amount) {
            tracing::warn!(?duration, "the answer is kept back");
            tokio::time::sleep(duration).await;
        }
        Ok(Response::new(payment))
    }

    async fn cancel_payment(
        &self,
        request: Request<CancelPaymentRequest>,
    ) -> Result<Response<CancelPaymentResponse>, Status> {
        let key = match request.into_inner().payment {
            Some(Target::Id(id)) => self.store.answers.key_of(id).await?,
            Some(Target::IdempotencyKey(key)) => answers::key(key)?,
            None => return Err(Rejection::missing("payment").into()),
        };
        self.store.answers.cancel(&key).await?;
        Ok(Response::new(CancelPaymentResponse {}))
    }
}
