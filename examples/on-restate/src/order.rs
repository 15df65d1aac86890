//! The saga: an order waits for its payment, and is shipped or cancelled.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use saga_runtime::{Context, EventName, event_within, saga, step};

/// The amount that has arrived.
pub(crate) const PAID: EventName<u64> = EventName::new("paid");

const A_WEEK: Duration = Duration::from_hours(7 * 24);

/// The services that steps call: their effects, by key.
#[derive(Debug, Default)]
pub(crate) struct Shop(Mutex<BTreeSet<String>>);

impl Shop {
    pub(crate) fn effects(&self) -> BTreeSet<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[step(compensate = cancel_order)]
async fn create_order(cx: Context<'_, Shop>) -> Result<(), String> {
    let mut effects = cx.0.lock().unwrap_or_else(PoisonError::into_inner);
    effects.insert(cx.idempotency_key().to_string());
    Ok(())
}

async fn cancel_order(cx: Context<'_, Shop>, (): &()) -> Result<(), String> {
    let mut effects = cx.0.lock().unwrap_or_else(PoisonError::into_inner);
    effects.remove(cx.action_key().as_str());
    Ok(())
}

#[step(retriable)]
async fn ship(cx: Context<'_, Shop>) -> Result<(), String> {
    let mut effects = cx.0.lock().unwrap_or_else(PoisonError::into_inner);
    effects.insert(cx.idempotency_key().to_string());
    Ok(())
}

saga!(
    /// Sells one order, once it is paid.
    pub(crate) async fn place_order(cx: Context<'_, Shop>, amount: u64) -> Result<u64, String> {
        create_order(cx).await?;
        let paid = event_within(cx, PAID, A_WEEK).await.unwrap_or_default();
        if paid < amount {
            return Err(format!("{paid} of {amount} are paid"));
        }
        ship(cx).await?;
        Ok(paid)
    }
);
