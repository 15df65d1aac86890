//! The delivery service as the checkout calls it.

use super::Connection;
use crate::checkout::CheckoutError;
use crate::proto::delivery::cancel_delivery_request::Delivery as Target;
use crate::proto::delivery::deliveries_client::DeliveriesClient;
use crate::proto::delivery::{CancelDeliveryRequest, CreateDeliveryRequest, Delivery};
use crate::proto::orders::Order;

/// Books couriers, and calls them off.
#[derive(Debug, Clone)]
pub struct Deliveries(DeliveriesClient<Connection>);

impl Deliveries {
    pub(super) fn new(connection: Connection) -> Self {
        Self(DeliveriesClient::new(connection))
    }

    /// Books the courier for an order, once per key.
    pub(crate) async fn create(
        &self,
        key: impl ToString,
        order: &Order,
    ) -> Result<Delivery, CheckoutError> {
        let request = CreateDeliveryRequest {
            idempotency_key: key.to_string(),
            order_id: order.id,
            parcels: order.parcels,
        };
        let delivery = self
            .0
            .clone()
            .create_delivery(request)
            .await
            .map_err(CheckoutError::at("delivery"))?;
        Ok(delivery.into_inner())
    }

    /// Calls a delivery off.
    pub(crate) async fn cancel(&self, delivery: &Delivery) -> Result<(), CheckoutError> {
        self.cancel_target(Target::Id(delivery.id)).await
    }

    /// Calls off what was or will be booked under a key.
    pub(crate) async fn cancel_key(&self, key: impl ToString) -> Result<(), CheckoutError> {
        self.cancel_target(Target::IdempotencyKey(key.to_string()))
            .await
    }

    async fn cancel_target(&self, delivery: Target) -> Result<(), CheckoutError> {
        let request = CancelDeliveryRequest {
            delivery: Some(delivery),
        };
        self.0
            .clone()
            .cancel_delivery(request)
            .await
            .map_err(CheckoutError::at("delivery"))?;
        Ok(())
    }
}
