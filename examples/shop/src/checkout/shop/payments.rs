//! The payments service as the checkout calls it.

use super::Connection;
use crate::checkout::CheckoutError;
use crate::proto::orders::Order;
use crate::proto::payments::cancel_payment_request::Payment as Target;
use crate::proto::payments::payments_client::PaymentsClient;
use crate::proto::payments::{CancelPaymentRequest, CreatePaymentRequest, Payment};

/// Takes money, and gives it back.
#[derive(Debug, Clone)]
pub struct Payments(PaymentsClient<Connection>);

impl Payments {
    pub(super) fn new(connection: Connection) -> Self {
        Self(PaymentsClient::new(connection))
    }

    /// Takes the money for an order, once per key.
    pub(crate) async fn create(
        &self,
        key: impl ToString,
        order: &Order,
    ) -> Result<Payment, CheckoutError> {
        let request = CreatePaymentRequest {
            idempotency_key: key.to_string(),
            order_id: order.id,
            amount: order.amount,
        };
        let payment = self
            .0
            .clone()
            .create_payment(request)
            .await
            .map_err(CheckoutError::at("payments"))?;
        Ok(payment.into_inner())
    }

    /// Gives a payment back.
    pub(crate) async fn cancel(&self, payment: &Payment) -> Result<(), CheckoutError> {
        self.cancel_target(Target::Id(payment.id)).await
    }

    /// Gives back what was or will be taken under a key.
    pub(crate) async fn cancel_key(&self, key: impl ToString) -> Result<(), CheckoutError> {
        self.cancel_target(Target::IdempotencyKey(key.to_string()))
            .await
    }

    async fn cancel_target(&self, payment: Target) -> Result<(), CheckoutError> {
        let request = CancelPaymentRequest {
            payment: Some(payment),
        };
        self.0
            .clone()
            .cancel_payment(request)
            .await
            .map_err(CheckoutError::at("payments"))?;
        Ok(())
    }
}
