//! The orders service as the checkout calls it.

use super::Connection;
use crate::checkout::{CheckoutError, OrderRequest};
use crate::proto::orders::cancel_order_request::Order as Target;
use crate::proto::orders::orders_client::OrdersClient;
use crate::proto::orders::{CancelOrderRequest, CreateOrderRequest, Order};

/// Takes orders down, and cancels them.
#[derive(Debug, Clone)]
pub struct Orders(OrdersClient<Connection>);

impl Orders {
    pub(super) fn new(connection: Connection) -> Self {
        Self(OrdersClient::new(connection))
    }

    /// Takes an order down, once per key.
    pub(crate) async fn create(
        &self,
        key: impl ToString,
        request: &OrderRequest,
    ) -> Result<Order, CheckoutError> {
        let request = CreateOrderRequest {
            idempotency_key: key.to_string(),
            items: request.items.iter().map(Into::into).collect(),
            parcels: request.parcels,
        };
        let order = self
            .0
            .clone()
            .create_order(request)
            .await
            .map_err(CheckoutError::at("orders"))?;
        Ok(order.into_inner())
    }

    /// Cancels an order.
    pub(crate) async fn cancel(&self, order: &Order) -> Result<(), CheckoutError> {
        let request = CancelOrderRequest {
            order: Some(Target::Id(order.id)),
        };
        self.0
            .clone()
            .cancel_order(request)
            .await
            .map_err(CheckoutError::at("orders"))?;
        Ok(())
    }
}
