//! What can stop a saga from outside while it goes forward: a cancellation, a deadline.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Why a saga was stopped from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Interruption {
    /// Somebody cancelled it.
    Cancelled,
    /// Its deadline passed before its pivot.
    DeadlineExceeded,
}

impl fmt::Display for Interruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cancelled => "cancelled",
            Self::DeadlineExceeded => "deadline exceeded",
        })
    }
}

/// Watches a saga's cancellation and deadline until its pivot has succeeded; from then on nothing interrupts it.
#[derive(Debug, Default)]
pub(crate) struct Control {
    cancellation: Option<CancellationToken>,
    deadline: Option<Instant>,
    forward_only: AtomicBool,
}

impl Control {
    pub(crate) fn new(cancellation: Option<CancellationToken>, deadline: Option<Duration>) -> Self {
        let deadline = deadline.map(|deadline| Instant::now() + deadline);
        Self {
            cancellation,
            deadline,
            forward_only: AtomicBool::new(false),
        }
    }

    /// After the pivot, or the first retriable step, the saga only goes forward.
    #[inline]
    pub(crate) fn go_forward_only(&self) {
        self.forward_only.store(true, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn is_forward_only(&self) -> bool {
        self.forward_only.load(Ordering::Relaxed)
    }

    /// Why the saga has to stop before its next attempt, if it has to.
    #[inline]
    pub(crate) fn interruption(&self) -> Option<Interruption> {
        if self.cancellation.is_none() && self.deadline.is_none() {
            return None;
        }
        self.watched_interruption()
    }

    #[cold]
    fn watched_interruption(&self) -> Option<Interruption> {
        if self.is_forward_only() {
            return None;
        }
        if self
            .cancellation
            .as_ref()
            .is_some_and(CancellationToken::is_cancelled)
        {
            return Some(Interruption::Cancelled);
        }
        self.deadline
            .filter(|deadline| *deadline <= Instant::now())
            .map(|_| Interruption::DeadlineExceeded)
    }

    /// Waits for `delay`, or until the saga is interrupted.
    pub(crate) async fn wait(&self, delay: Duration) -> Option<Interruption> {
        let wake = Instant::now() + delay;
        if self.is_forward_only() {
            tokio::time::sleep_until(wake).await;
            return None;
        }
        let wake = self.deadline.map_or(wake, |deadline| deadline.min(wake));
        match &self.cancellation {
            Some(cancellation) => {
                cancellation
                    .run_until_cancelled(tokio::time::sleep_until(wake))
                    .await;
            }
            None => tokio::time::sleep_until(wake).await,
        }
        self.interruption()
    }
}
