//! The saga: an order is created, paid and shipped, or nothing of it.

use std::time::Duration;

use saga_runtime::{Context, saga, step};

use crate::shop::{Shop, ShopError};

/// A customer pays no more than this.
const LIMIT: u64 = 500;

#[step(compensate = cancel_order, retry(attempts = 5, when = ShopError::is_open))]
async fn create_order(cx: Context<'_, Shop>) -> Result<(), ShopError> {
    cx.act(cx.idempotency_key()).await
}

async fn cancel_order(cx: Context<'_, Shop>, (): &()) -> Result<(), ShopError> {
    cx.undo(cx.action_key()).await
}

#[step(compensate = refund, retry(attempts = 5, when = ShopError::is_open))]
async fn charge(cx: Context<'_, Shop>, amount: u64) -> Result<u64, ShopError> {
    if amount > LIMIT {
        return Err(ShopError::Refused("card declined"));
    }
    cx.act(cx.idempotency_key()).await?;
    // The bank takes its time, and a worker may be killed meanwhile.
    tokio::time::sleep(Duration::from_millis(20)).await;
    Ok(amount)
}

async fn refund(cx: Context<'_, Shop>, _amount: &u64) -> Result<(), ShopError> {
    cx.undo(cx.action_key()).await
}

#[step(pivot, retry(attempts = 5, when = ShopError::is_open))]
async fn ship(cx: Context<'_, Shop>) -> Result<(), ShopError> {
    cx.act(cx.idempotency_key()).await
}

saga!(
    /// Sells one order.
    pub(crate) async fn place_order(cx: Context<'_, Shop>, amount: u64) -> Result<u64, ShopError> {
        create_order(cx).await?;
        let paid = charge(cx, amount).await?;
        ship(cx).await?;
        Ok(paid)
    }
);
