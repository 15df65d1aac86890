//! The shop of the mistakes: everything in it is right.

use std::fmt;

use saga_runtime::{Context, step};
use serde::{Deserialize, Serialize};

pub struct Shop;

#[derive(Clone, Serialize, Deserialize)]
pub struct OrderRequest {
    pub amount: u64,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Order {
    pub id: u64,
    pub amount: u64,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Payment {
    pub id: u64,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Delivery {
    pub id: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct ShopError;

impl fmt::Display for ShopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the shop is closed")
    }
}

#[step(compensate = cancel_order)]
pub async fn create_order(
    _cx: Context<'_, Shop>,
    request: &OrderRequest,
) -> Result<Order, ShopError> {
    let amount = request.amount;
    Ok(Order { id: 1, amount })
}

pub async fn cancel_order(_cx: Context<'_, Shop>, _order: &Order) -> Result<(), ShopError> {
    Ok(())
}

#[step(compensate = refund)]
pub async fn charge(_cx: Context<'_, Shop>, order: &Order) -> Result<Payment, ShopError> {
    Ok(Payment { id: order.id })
}

pub async fn refund(_cx: Context<'_, Shop>, _payment: &Payment) -> Result<(), ShopError> {
    Ok(())
}

#[step(pivot)]
pub async fn ship(
    _cx: Context<'_, Shop>,
    order: &Order,
    _payment: &Payment,
) -> Result<Delivery, ShopError> {
    Ok(Delivery { id: order.id })
}

#[step(retriable)]
pub async fn send_receipt(_cx: Context<'_, Shop>, _delivery: &Delivery) -> Result<(), ShopError> {
    Ok(())
}
