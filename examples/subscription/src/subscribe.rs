//! The saga: a trial, then a charge each month, until the customer cancels or does not pay.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use saga_runtime::{Context, EventName, First, event_within, first_of_within, saga, step};
use serde::{Deserialize, Serialize};

/// The customer cancels, with a reason.
pub(crate) const CANCELLED: EventName<String> = EventName::new("cancelled");

/// The customer has another card.
pub(crate) const NEW_CARD: EventName<String> = EventName::new("new_card");

pub(crate) const TRIAL: Duration = Duration::from_hours(14 * 24);
pub(crate) const A_MONTH: Duration = Duration::from_hours(30 * 24);
pub(crate) const GRACE: Duration = Duration::from_hours(3 * 24);

/// The card is declined: nothing was charged. It is recorded, so that a replay takes the same branch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Declined;

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the card is declined")
    }
}

/// The services that steps call: they note here what they do. They remember the key of each request, and do it once. A card that is
/// called `empty` is declined.
#[derive(Debug, Default)]
pub(crate) struct Billing(Mutex<Books>);

#[derive(Debug, Default)]
struct Books {
    done: BTreeSet<String>,
    undone: BTreeSet<String>,
    notes: Vec<String>,
}

impl Books {
    fn note(&mut self, line: String) {
        println!("  {line}");
        self.notes.push(line);
    }
}

impl Billing {
    /// Carries out the request with this key, unless it was undone before it came.
    pub(crate) fn carry_out(&self, key: impl Into<String>, line: String) {
        let (key, mut books) = (key.into(), self.books());
        if !books.undone.contains(&key) && books.done.insert(key) {
            books.note(line);
        }
    }

    /// Undoes the request with this key, if it was carried out. If it comes later, nothing happens.
    pub(crate) fn undo(&self, key: impl Into<String>, line: String) {
        let (key, mut books) = (key.into(), self.books());
        let was_done = books.done.contains(&key);
        if books.undone.insert(key) && was_done {
            books.note(line);
        }
    }

    /// All that the services have done.
    #[cfg(test)]
    pub(crate) fn notes(&self) -> Vec<String> {
        self.books().notes.clone()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[step(compensate = close_account)]
async fn open_account(cx: Context<'_, Billing>) -> Result<(), Declined> {
    cx.carry_out(cx.idempotency_key(), "the account is opened".to_owned());
    Ok(())
}

async fn close_account(cx: Context<'_, Billing>, (): &()) -> Result<(), Declined> {
    cx.undo(cx.action_key(), "the account is closed".to_owned());
    Ok(())
}

/// A month that is paid is used: nothing is given back, also if an operator cancels the saga.
#[step(compensate = ())]
async fn charge(cx: Context<'_, Billing>, card: &str, month: u32) -> Result<(), Declined> {
    if card == "empty" {
        return Err(Declined);
    }
    let line = format!("month {month} is paid by {card}");
    cx.carry_out(cx.idempotency_key(), line);
    Ok(())
}

#[step(compensate = ())]
async fn remind(cx: Context<'_, Billing>, month: u32) -> Result<(), Declined> {
    let line = format!("the card is declined in month {month}");
    cx.carry_out(cx.idempotency_key(), line);
    Ok(())
}

/// The same as the compensation, as a step: at the end of a subscription it has to happen.
#[step(retriable)]
async fn end_account(cx: Context<'_, Billing>, reason: &str) -> Result<(), Declined> {
    let line = format!("the account ends: {reason}");
    cx.carry_out(cx.idempotency_key(), line);
    Ok(())
}

saga!(
    /// Charges each month after a trial. Returns the number of months that were paid.
    pub(crate) async fn subscribe(
        cx: Context<'_, Billing>,
        card: String,
        months: u32,
    ) -> Result<u32, Declined> {
        open_account(cx).await?;
        let (mut card, mut paid) = (card, 0);
        // Both a timer and the event that ends it early.
        let mut end = event_within(cx, CANCELLED, TRIAL).await;
        while end.is_none() && paid < months {
            let mut is_paid = charge(cx, &card, paid + 1).await.is_ok();
            for _reminder in 1..=3 {
                if is_paid || end.is_some() {
                    break;
                }
                remind(cx, paid + 1).await?;
                match first_of_within(cx, (NEW_CARD, CANCELLED), GRACE).await {
                    Some(First::A(new_card)) => card = new_card,
                    Some(First::B(reason)) => end = Some(reason),
                    None => {}
                }
                if end.is_none() {
                    is_paid = charge(cx, &card, paid + 1).await.is_ok();
                }
            }
            if is_paid {
                paid += 1;
                end = event_within(cx, CANCELLED, A_MONTH).await;
            } else if end.is_none() {
                end = Some("it is not paid".to_owned());
            }
        }
        end_account(cx, &end.unwrap_or_else(|| "its time is over".to_owned())).await?;
        Ok(paid)
    }
);
