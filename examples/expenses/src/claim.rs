//! The saga: a claim waits for its approver, is repeated each day, and then goes to a second one.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use saga_runtime::{Context, EventName, event_within, saga, step};
use serde::{Deserialize, Serialize};

/// The decision about a claim. Each approver sends the same event.
pub(crate) const VERDICT: EventName<Verdict> = EventName::new("verdict");

const A_DAY: Duration = Duration::from_hours(24);
const A_WEEK: Duration = Duration::from_hours(7 * 24);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Verdict {
    Approved { by: String },
    Rejected { reason: String },
}

/// The reason why nothing is paid.
#[derive(Debug, PartialEq)]
pub(crate) enum ClaimError {
    Rejected(String),
    Undecided,
    /// The request came after the one that undoes it.
    Withdrawn,
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(reason) => write!(f, "rejected: {reason}"),
            Self::Undecided => f.write_str("not decided in time"),
            Self::Withdrawn => f.write_str("already withdrawn"),
        }
    }
}

/// The services that steps call: they note here what they do. They remember the key of each request, and do it once.
#[derive(Debug, Default)]
pub(crate) struct Office(Mutex<Books>);

#[derive(Debug, Default)]
struct Books {
    done: BTreeSet<String>,
    withdrawn: BTreeSet<String>,
    notes: Vec<String>,
}

impl Books {
    fn note(&mut self, line: String) {
        println!("  {line}");
        self.notes.push(line);
    }
}

impl Office {
    /// Carries out the request with this key, unless it was withdrawn before it came.
    pub(crate) fn carry_out(&self, key: impl Into<String>, line: String) -> Result<(), ClaimError> {
        let (key, mut books) = (key.into(), self.books());
        if books.withdrawn.contains(&key) {
            return Err(ClaimError::Withdrawn);
        }
        if books.done.insert(key) {
            books.note(line);
        }
        Ok(())
    }

    /// Undoes the request with this key, if it was carried out, and refuses it from now on.
    pub(crate) fn withdraw(&self, key: impl Into<String>, line: String) {
        let (key, mut books) = (key.into(), self.books());
        let was_done = books.done.contains(&key);
        if books.withdrawn.insert(key) && was_done {
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

#[step(compensate = withdraw)]
async fn file(cx: Context<'_, Office>, cents: u64) -> Result<u64, ClaimError> {
    let line = format!("{}: {cents} cents are filed", cx.saga_id());
    cx.carry_out(cx.idempotency_key(), line)?;
    Ok(cents)
}

async fn withdraw(cx: Context<'_, Office>, cents: &u64) -> Result<(), ClaimError> {
    let line = format!("{}: {cents} cents are withdrawn", cx.saga_id());
    cx.withdraw(cx.action_key(), line);
    Ok(())
}

/// A mail that was sent stays sent: there is nothing to undo.
#[step(compensate = ())]
async fn remind(cx: Context<'_, Office>, approver: &str) -> Result<(), ClaimError> {
    let line = format!("{}: {approver} is reminded", cx.saga_id());
    cx.carry_out(cx.idempotency_key(), line)
}

/// The bank may be closed; the money is owed all the same.
#[step(retriable, retry(backoff = "1s..1h"))]
async fn reimburse(cx: Context<'_, Office>, cents: u64) -> Result<(), ClaimError> {
    let line = format!("{}: {cents} cents are paid", cx.saga_id());
    cx.carry_out(cx.idempotency_key(), line)
}

saga!(
    /// Pays an expense back once it is approved.
    pub(crate) async fn claim_expense(
        cx: Context<'_, Office>,
        cents: u64,
    ) -> Result<String, ClaimError> {
        let claim = file(cx, cents).await?;
        let mut verdict = None;
        for _day in 1..=3 {
            verdict = event_within(cx, VERDICT, A_DAY).await;
            if verdict.is_some() {
                break;
            }
            remind(cx, "the manager").await?;
        }
        if verdict.is_none() {
            remind(cx, "the director").await?;
            verdict = event_within(cx, VERDICT, A_WEEK).await;
        }
        let approver = match verdict {
            Some(Verdict::Approved { by }) => by,
            Some(Verdict::Rejected { reason }) => return Err(ClaimError::Rejected(reason)),
            None => return Err(ClaimError::Undecided),
        };
        reimburse(cx, claim).await?;
        Ok(approver)
    }
);
