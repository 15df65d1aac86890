//! The writes that travel together: what is to be written, and who waits for it.

use std::time::SystemTime;

use tokio::sync::oneshot;

use crate::journal::{AppendError, Claim, JournalError, Lease, NewSaga, Row, Wakeup};

/// Where a caller waits for an answer. A caller that has stopped waiting does no harm.
pub(super) type Reply<T, E = JournalError> = oneshot::Sender<Result<T, E>>;

/// One write, and where to say how it went.
#[derive(Debug)]
pub(super) enum Operation {
    Start {
        saga: NewSaga,
        lease: Option<Lease>,
        reply: Reply<StartResult>,
    },
    Append(Append),
    Release {
        claim: Claim,
        number: i64,
        release: Release,
        reply: Reply<()>,
    },
}

/// How a saga is released.
#[derive(Debug, Clone, Copy)]
pub(super) struct Release {
    pub(super) in_doubt: bool,
    pub(super) wakeup: Wakeup,
}

/// How a start went.
#[derive(Debug)]
pub(super) enum StartResult {
    /// The saga is new, and this is its number.
    New(i64),
    /// The id is taken.
    Taken,
}

/// Entries to be added to a saga.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) claim: Claim,
    pub(super) number: i64,
    /// The number of the first entry, counted from 1.
    pub(super) first: u64,
    pub(super) rows: Vec<Row>,
    /// The release that comes with them.
    pub(super) release: Option<Release>,
    pub(super) reply: Reply<(), AppendError>,
}

impl Append {
    /// The number of the first entry in the table: see the migration.
    pub(super) fn first_seq(&self) -> i64 {
        signed(self.first) + signed(self.claim.epoch)
    }

    /// The number of entries afterwards.
    pub(super) fn entries_after(&self) -> i64 {
        signed(self.first) + signed(self.rows.len() as u64) - 1
    }

    /// The event of the last entry, which decides if the saga goes on.
    pub(super) fn last_event(&self) -> &str {
        self.rows.last().map_or("", |row| &row.event)
    }

    /// Whether the claim ends with these entries.
    pub(super) fn ends_claim(&self) -> bool {
        matches!(
            self.last_event(),
            "completed" | "compensated" | "stuck" | "abandoned"
        )
    }
}

impl Operation {
    /// Says that it could not be done.
    pub(super) fn fail(self, error: &sqlx::Error) {
        let failed = || unavailable(error);
        match self {
            Self::Start { reply, .. } => drop(reply.send(Err(failed()))),
            Self::Append(append) => drop(append.reply.send(Err(failed().into()))),
            Self::Release { reply, .. } => drop(reply.send(Err(failed()))),
        }
    }
}

/// The error of the database, once for each waiting caller.
pub(super) fn unavailable(error: &sqlx::Error) -> JournalError {
    JournalError::Unavailable {
        message: error.to_string(),
        source: None,
    }
}

/// When a released saga can be claimed, in milliseconds since 1970; infinity when it is called.
pub(super) fn wake_at(wakeup: Wakeup) -> Option<f64> {
    match wakeup {
        Wakeup::Now => None,
        Wakeup::At(time) => Some(millis(time)),
        Wakeup::WhenCalled => Some(f64::INFINITY),
    }
}

/// A time in the year 293,506: a time stamp of the database ends some hundred years later.
const LAST_MILLIS: f64 = 9.2e15;

/// Milliseconds since 1970, as the database computes with them. Later times than it knows are as late as it knows.
#[expect(
    clippy::cast_precision_loss,
    reason = "exact for the next 285,000 years"
)]
pub(super) fn millis(time: SystemTime) -> f64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0.0, |since| (since.as_millis() as f64).min(LAST_MILLIS))
}

/// A number as the database has it: it has none without a sign.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
