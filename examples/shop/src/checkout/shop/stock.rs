//! The stock service as the checkout calls it.

use super::Connection;
use crate::checkout::CheckoutError;
use crate::proto::orders::{LineItem, Order};
use crate::proto::stock::release_request::Reservation as Target;
use crate::proto::stock::stock_client::StockClient;
use crate::proto::stock::{ReleaseRequest, Reservation, ReserveRequest};

/// Sets articles aside, and puts them back.
#[derive(Debug, Clone)]
pub struct Stock(StockClient<Connection>);

impl Stock {
    pub(super) fn new(connection: Connection) -> Self {
        Self(StockClient::new(connection))
    }

    /// Sets one item of an order aside, once per key.
    pub(crate) async fn reserve(
        &self,
        key: impl ToString,
        order: &Order,
        item: &LineItem,
    ) -> Result<Reservation, CheckoutError> {
        let request = ReserveRequest {
            idempotency_key: key.to_string(),
            order_id: order.id,
            article: item.article.clone(),
            quantity: item.quantity,
        };
        let reservation = self
            .0
            .clone()
            .reserve(request)
            .await
            .map_err(CheckoutError::at("stock"))?;
        Ok(reservation.into_inner())
    }

    /// Puts back what is set aside.
    pub(crate) async fn release(&self, reservation: &Reservation) -> Result<(), CheckoutError> {
        self.release_target(Target::Id(reservation.id)).await
    }

    /// Puts back what was or will be set aside under a key.
    pub(crate) async fn release_key(&self, key: impl ToString) -> Result<(), CheckoutError> {
        self.release_target(Target::IdempotencyKey(key.to_string()))
            .await
    }

    async fn release_target(&self, reservation: Target) -> Result<(), CheckoutError> {
        let request = ReleaseRequest {
            reservation: Some(reservation),
        };
        self.0
            .clone()
            .release(request)
            .await
            .map_err(CheckoutError::at("stock"))?;
        Ok(())
    }
}
