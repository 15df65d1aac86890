//! The saga: an order waits for its payment, and is shipped or cancelled.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use saga_runtime::{Context, EventName, event_within, saga, step};

/// The amount that has arrived.
pub(crate) const PAID: EventName<u64> = EventName::new("paid");

const A_WEEK: Duration = Duration::from_hours(7 * 24);

/// The services that steps call: their effects, by key.
#[derive(Debug, Default)]
pub(crate) struct Shop(Mutex<Books>);

#[derive(Debug, Default)]
struct Books {
    effects: BTreeSet<String>,
    cancelled: BTreeSet<String>,
}

impl Shop {
    pub(crate) fn effects(&self) -> BTreeSet<String> {
        self.books().effects.clone()
    }

    /// Carries out the request with this key, unless it was cancelled before it came.
    pub(crate) fn carry_out(&self, key: impl Into<String>) -> Result<(), String> {
        let (key, mut books) = (key.into(), self.books());
        if books.cancelled.contains(&key) {
            return Err("it is cancelled already".to_owned());
        }
        books.effects.insert(key);
        Ok(())
    }

    /// Undoes the request with this key, if it was carried out, and refuses it from now on.
    pub(crate) fn cancel(&self, key: impl Into<String>) {
        let (key, mut books) = (key.into(), self.books());
        books.effects.remove(&key);
        books.cancelled.insert(key);
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[step(compensate = cancel_order)]
async fn create_order(cx: Context<'_, Shop>) -> Result<(), String> {
    cx.carry_out(cx.idempotency_key())
}

async fn cancel_order(cx: Context<'_, Shop>, (): &()) -> Result<(), String> {
    cx.cancel(cx.action_key());
    Ok(())
}

#[step(retriable)]
async fn ship(cx: Context<'_, Shop>) -> Result<(), String> {
    cx.carry_out(cx.idempotency_key())
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
