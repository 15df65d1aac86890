//! The saga that sells one order: takes it down, sets its items aside while it takes the money, has it approved if it is
//! large, books the courier; all of it, or none.

mod approval;
mod engine;
mod error;
mod failure;
mod second;
mod service;
mod shop;

use std::time::Duration;

use saga_runtime::{Context, event_within, saga, step};
use serde::{Deserialize, Serialize};

pub use self::approval::{APPROVAL, ApprovalRules, Verdict};
pub use self::engine::{Deployed, Engine};
pub use self::error::CheckoutError;
pub use self::service::CheckoutService;
pub use self::shop::{
    Addresses, Connection, Connections, Deliveries, Orders, Payments, Shop, Stock, connection,
};
use crate::item::LineItem;
use crate::proto::delivery::Delivery;
use crate::proto::orders::{self, Order};
use crate::proto::payments::Payment;
use crate::proto::stock::Reservation;

/// What a customer wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRequest {
    /// What is ordered; at least one.
    pub items: Vec<LineItem>,
    /// How many parcels it fills.
    pub parcels: i32,
}

/// An order that stands, is set aside, is paid, and will be delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// The order.
    pub order: Order,
    /// What is set aside for it: a reservation for each of its items.
    pub reservations: Vec<Reservation>,
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
    cx.orders.create(cx.idempotency_key(), request).await
}

async fn cancel_order(cx: Context<'_, Shop>, order: &Order) -> Result<(), CheckoutError> {
    cx.orders.cancel(order).await
}

/// Sets one item aside. When the answer is lost for good, whatever was or will be set aside under the step's key is put
/// back.
#[step(
    compensate = release,
    timeout = "2s",
    retry(attempts = 2, backoff = "50ms..500ms", when = CheckoutError::is_transient),
    in_doubt(when = CheckoutError::is_in_doubt, resolve = void_reservation),
    compensation(timeout = "2s")
)]
async fn reserve(
    cx: Context<'_, Shop>,
    order: &Order,
    item: &orders::LineItem,
) -> Result<Reservation, CheckoutError> {
    cx.stock.reserve(cx.idempotency_key(), order, item).await
}

async fn release(cx: Context<'_, Shop>, reservation: &Reservation) -> Result<(), CheckoutError> {
    cx.stock.release(reservation).await
}

async fn void_reservation(
    cx: Context<'_, Shop>,
    _order: &Order,
    _item: &orders::LineItem,
) -> Result<(), CheckoutError> {
    cx.stock.release_key(cx.action_key()).await
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

/// How long the order has to wait for an approval, if it needs one. It is a step, so that what was the rule when it was
/// asked is written down: another rule after a restart changes nothing for this order.
#[step(compensate = ())]
async fn needs_approval(
    cx: Context<'_, Shop>,
    order: &Order,
) -> Result<Option<Duration>, CheckoutError> {
    Ok(cx.approval.wait(order.amount))
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
    /// Sets all items of an order aside, one after the other.
    #[derive(Debug, Clone)]
    #[saga(compensatable)]
    pub async fn set_aside(
        cx: Context<'_, Shop>,
        order: Order,
    ) -> Result<Vec<Reservation>, CheckoutError> {
        let mut reservations = Vec::new();
        for item in &order.items {
            reservations.push(reserve(cx, &order, item).await?);
        }
        Ok(reservations)
    }
);

saga!(
    /// Sells one order.
    #[derive(Debug, Clone)]
    pub async fn place_order(
        cx: Context<'_, Shop>,
        request: OrderRequest,
    ) -> Result<Receipt, CheckoutError> {
        let order = create_order(cx, &request).await?;
        let (reservations, payment) = try_join!(set_aside(cx, order.clone()), charge(cx, &order))?;
        let approval = needs_approval(cx, &order).await?;
        if let Some(within) = approval {
            let verdict = event_within(cx, APPROVAL, within).await;
            match verdict {
                Some(Verdict::Approved) => {}
                Some(Verdict::Rejected { reason }) => {
                    return Err(CheckoutError::Rejected { reason });
                }
                None => return Err(CheckoutError::NotApproved { within }),
            }
        }
        let delivery = ship(cx, &order).await?;
        Ok(Receipt {
            order,
            reservations,
            payment,
            delivery,
        })
    }
);
