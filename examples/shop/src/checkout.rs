//! The saga that sells one order: takes it down, takes the money, books the courier; all of it, or none.

mod error;
mod failure;
mod service;
mod shop;

use saga_runtime::{Context, saga, step};
use serde::{Deserialize, Serialize};

pub use self::error::CheckoutError;
pub use self::service::CheckoutService;
pub use self::shop::{Deliveries, Orders, Payments, Shop};
use crate::money::Money;
use crate::proto::delivery::Delivery;
use crate::proto::orders::Order;
use crate::proto::payments::Payment;

/// What a customer wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRequest {
    /// What it costs.
    pub amount: Money,
    /// How many parcels it fills.
    pub parcels: i32,
}

/// An order that stands, is paid, and will be delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// The order.
    pub order: Order,
    /// Its payment.
    pub payment: Payment,
    /// Its delivery.
    pub delivery: Delivery,
}

/// Takes the order down. When the answer is lost, it is asked for again under the same key.
#[step(
    compensate = cancel_order,
    timeout = "2s",
    retry(attempts = 3, backoff = "50ms..500ms", when = CheckoutError::is_transient),
    in_doubt(when = CheckoutError::is_in_doubt),
    compensation(timeout = "2s")
)]
async fn create_order(
    cx: Context<'_, Shop>,
    request: &OrderRequest,
) -> Result<Order, CheckoutError> {
    cx.orders
        .create(cx.idempotency_key(), request.amount, request.parcels)
        .await
}

async fn cancel_order(cx: Context<'_, Shop>, order: &Order) -> Result<(), CheckoutError> {
    cx.orders.cancel(order).await
}

/// Takes the money. When the answer is lost for good, whatever was or will be taken under the step's key is given back.
#[step(
    compensate = refund,
    timeout = "2s",
    retry(attempts = 2, backoff = "50ms..500ms", when = CheckoutError::is_transient),
    in_doubt(when = CheckoutError::is_in_doubt, resolve = void_charge),
    compensation(timeout = "2s")
)]
async fn charge(cx: Context<'_, Shop>, order: &Order) -> Result<Payment, CheckoutError> {
    cx.payments.create(cx.idempotency_key(), order).await
}

async fn refund(cx: Context<'_, Shop>, payment: &Payment) -> Result<(), CheckoutError> {
    cx.payments.cancel(payment).await
}

async fn void_charge(cx: Context<'_, Shop>, _order: &Order) -> Result<(), CheckoutError> {
    cx.payments.cancel_key(cx.action_key()).await
}

/// Books the courier, and calls off what may have been booked when the answer is lost for good.
#[step(
    compensate = cancel_delivery,
    timeout = "2s",
    retry(attempts = 2, backoff = "50ms..500ms", when = CheckoutError::is_transient),
    in_doubt(when = CheckoutError::is_in_doubt, resolve = void_delivery),
    compensation(timeout = "2s")
)]
async fn ship(cx: Context<'_, Shop>, order: &Order) -> Result<Delivery, CheckoutError> {
    cx.deliveries.create(cx.idempotency_key(), order).await
}

async fn cancel_delivery(cx: Context<'_, Shop>, delivery: &Delivery) -> Result<(), CheckoutError> {
    cx.deliveries.cancel(delivery).await
}

async fn void_delivery(cx: Context<'_, Shop>, _order: &Order) -> Result<(), CheckoutError> {
    cx.deliveries.cancel_key(cx.action_key()).await
}

saga!(
    /// Sells one order.
    #[derive(Debug, Clone)]
    pub async fn place_order(
        cx: Context<'_, Shop>,
        request: OrderRequest,
    ) -> Result<Receipt, CheckoutError> {
        let order = create_order(cx, &request).await?;
        let payment = charge(cx, &order).await?;
        let delivery = ship(cx, &order).await?;
        Ok(Receipt {
            order,
            payment,
            delivery,
        })
    }
);
