//! The saga: a claim waits for its approver, is repeated each day, and then goes to a second one.

use std::fmt;
use std::sync::{Mutex, PoisonError};
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
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(reason) => write!(f, "rejected: {reason}"),
            Self::Undecided => f.write_str("not decided in time"),
        }
    }
}

/// The services that steps call: they note here what they are asked for.
#[derive(Debug, Default)]
pub(crate) struct Office(Mutex<Vec<String>>);

impl Office {
    fn note(&self, line: String) {
        println!("  {line}");
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(line);
    }

    /// All that the services were asked for.
    #[cfg(test)]
    pub(crate) fn notes(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[step(compensate = withdraw)]
async fn file(cx: Context<'_, Office>, cents: u64) -> Result<u64, ClaimError> {
    cx.note(format!("{}: {cents} cents are filed", cx.saga_id()));
    Ok(cents)
}

async fn withdraw(cx: Context<'_, Office>, cents: &u64) -> Result<(), ClaimError> {
    cx.note(format!("{}: {cents} cents are withdrawn", cx.saga_id()));
    Ok(())
}

/// A mail that was sent stays sent: there is nothing to undo.
#[step(compensate = ())]
async fn remind(cx: Context<'_, Office>, approver: &str) -> Result<(), ClaimError> {
    cx.note(format!("{}: {approver} is reminded", cx.saga_id()));
    Ok(())
}

/// The bank may be closed; the money is owed all the same.
#[step(retriable, retry(backoff = "1s..1h"))]
async fn reimburse(cx: Context<'_, Office>, cents: u64) -> Result<(), ClaimError> {
    cx.note(format!("{}: {cents} cents are paid", cx.saga_id()));
    Ok(())
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
