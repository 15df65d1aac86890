//! The control over a saga that runs in this process: a cancellation token and a deadline.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::attempts::{Control, StopAnswer, WayBack};
use crate::error::Interruption;

/// The sources of an interruption.
#[derive(Debug)]
pub(crate) struct Limits {
    cancellation: Option<CancellationToken>,
    deadline: Option<Duration>,
    /// The time of the first look: before the saga's first step, and not while its future waits to be polled.
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

/// A time longer than any process lives.
const FOR_EVER: Duration = Duration::from_hours(24 * 365 * 30);

/// Watches a saga's limits until its way back is closed. From then on nothing interrupts it.
#[derive(Debug)]
pub(crate) struct LocalControl {
    limits: Option<Box<Limits>>,
    way_back: WayBack,
}

impl Control for LocalControl {
    #[inline]
    fn way_back(&self) -> &WayBack {
        &self.way_back
    }

    #[inline]
    fn requested_stop(&self) -> Option<Interruption> {
        self.limits.as_deref()?.interruption()
    }
}

impl LocalControl {
    #[inline]
    pub(crate) fn new(limits: Option<Box<Limits>>) -> Self {
        Self {
            limits,
            way_back: WayBack::open(),
        }
    }

    /// Returns true if nothing can ever interrupt the saga.
    #[inline]
    pub(crate) fn is_unlimited(&self) -> bool {
        self.limits.is_none()
    }

    /// The limits, as long as they hold.
    #[inline]
    fn limits(&self) -> Option<&Limits> {
        self.limits
            .as_deref()
            .filter(|_| !self.way_back.is_closed())
    }

    /// Cancels the saga, and says whether that is in time.
    pub(crate) fn cancel(&self) -> StopAnswer {
        let limits = self.limits.as_deref();
        if let Some(cancellation) = limits.and_then(|limits| limits.cancellation.as_ref()) {
            // First, so that a saga that is stopped hears of it before its next request.
            cancellation.cancel();
        }
        self.way_back.stop()
    }

    /// Returns true if the saga was cancelled, in time or not.
    pub(crate) fn is_cancelled(&self) -> bool {
        let cancellation = self
            .limits
            .as_deref()
            .and_then(|limits| limits.cancellation.as_ref());
        cancellation.is_some_and(CancellationToken::is_cancelled)
    }

    /// The time until the deadline, as long as the deadline holds.
    pub(crate) fn time_to_deadline(&self) -> Option<Duration> {
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
