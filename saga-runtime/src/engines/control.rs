//! What can stop a saga from outside while it goes forward: a cancellation, a deadline.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::Interruption;

/// What can interrupt a saga.
#[derive(Debug)]
pub(crate) struct Limits {
    cancellation: Option<CancellationToken>,
    deadline: Option<Duration>,
    /// When somebody first asked: before its first step, and not while its future waits to be polled.
    started: OnceLock<Instant>,
}

impl Limits {
    /// The limits of a saga; `None` where there is none.
    #[inline]
    pub(crate) fn new(
        cancellation: Option<CancellationToken>,
        deadline: Option<Duration>,
    ) -> Option<Box<Self>> {
        if cancellation.is_none() && deadline.is_none() {
            return None;
        }
        Some(Box::new(Self {
            cancellation,
            deadline,
            started: OnceLock::new(),
        }))
    }

    fn deadline(&self) -> Option<Instant> {
        let started = || *self.started.get_or_init(Instant::now);
        self.deadline.map(|deadline| started() + deadline)
    }

    fn interruption(&self) -> Option<Interruption> {
        if self
            .cancellation
            .as_ref()
            .is_some_and(CancellationToken::is_cancelled)
        {
            return Some(Interruption::Cancelled);
        }
        self.deadline()
            .filter(|deadline| *deadline <= Instant::now())
            .map(|_| Interruption::DeadlineExceeded)
    }
}

/// Longer than any process lives.
const FOR_EVER: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);

/// Watches a saga's limits until its pivot has succeeded; from then on nothing interrupts it.
#[derive(Debug)]
pub(crate) struct Control {
    limits: Option<Box<Limits>>,
    forward_only: AtomicBool,
}

impl Control {
    #[inline]
    pub(crate) fn new(limits: Option<Box<Limits>>) -> Self {
        Self {
            limits,
            forward_only: AtomicBool::new(false),
        }
    }

    /// After the pivot, or the first retriable step, the saga only goes forward.
    #[inline]
    pub(crate) fn go_forward_only(&self) {
        self.forward_only.store(true, Ordering::Relaxed);
    }

    /// Whether the saga only goes forward.
    pub(crate) fn only_goes_forward(&self) -> bool {
        self.forward_only.load(Ordering::Relaxed)
    }

    /// Whether nothing can interrupt the saga from the start.
    #[inline]
    pub(crate) fn is_unlimited(&self) -> bool {
        self.limits.is_none()
    }

    /// The limits, as long as they hold.
    #[inline]
    fn limits(&self) -> Option<&Limits> {
        self.limits
            .as_deref()
            .filter(|_| !self.forward_only.load(Ordering::Relaxed))
    }

    /// Why the saga has to stop before its next attempt, if it has to.
    #[inline]
    pub(crate) fn interruption(&self) -> Option<Interruption> {
        self.limits()?.interruption()
    }

    /// Whether somebody has cancelled the saga, in time or not.
    pub(crate) fn is_cancelled(&self) -> bool {
        let cancellation = self
            .limits
            .as_deref()
            .and_then(|limits| limits.cancellation.as_ref());
        cancellation.is_some_and(CancellationToken::is_cancelled)
    }

    /// How long it is until the deadline, as long as it holds.
    pub(crate) fn left(&self) -> Option<Duration> {
        let deadline = self.limits()?.deadline()?;
        Some(deadline.saturating_duration_since(Instant::now()))
    }

    /// Waits for `limit`, or for ever, or until the saga is interrupted.
    pub(crate) async fn wait_within(&self, limit: Option<Duration>) -> Option<Interruption> {
        if let Some(interruption) = self.interruption() {
            return Some(interruption);
        }
        self.wait(limit.unwrap_or(FOR_EVER)).await
    }

    /// Waits for `delay`, or until the saga is interrupted.
    pub(crate) async fn wait(&self, delay: Duration) -> Option<Interruption> {
        let now = Instant::now();
        let wake = now.checked_add(delay).unwrap_or(now + FOR_EVER);
        let Some(limits) = self.limits() else {
            tokio::time::sleep_until(wake).await;
            return None;
        };
        let wake = limits
            .deadline()
            .map_or(wake, |deadline| deadline.min(wake));
        match &limits.cancellation {
            Some(cancellation) => {
                cancellation
                    .run_until_cancelled(tokio::time::sleep_until(wake))
                    .await;
            }
            None => tokio::time::sleep_until(wake).await,
        }
        limits.interruption()
    }
}
