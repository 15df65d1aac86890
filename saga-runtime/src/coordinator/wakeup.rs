//! The time at which the next sleeping saga wakes up. The dispatcher then claims it.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::clock::Clock;
use crate::journal::Wakeup;
use crate::lock::lock;

/// The time of the next wake-up, if a saga sleeps until a known time.
#[derive(Debug)]
pub(super) struct Alarm {
    next: Mutex<Option<Instant>>,
    clock: Clock,
}

/// Journals store whole milliseconds, so a time is rounded up by one.
const ROUNDING: Duration = Duration::from_millis(1);

impl Alarm {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            next: Mutex::default(),
            clock,
        }
    }

    /// Notes the wake-up of a saga that was just released. Returns whether it comes before all others.
    pub(super) fn is_next(&self, wakeup: Wakeup) -> bool {
        let Wakeup::At(time) = wakeup else {
            return false;
        };
        let at = self.instant(time);
        let mut next = lock(&self.next);
        let is_next = next.is_none_or(|next| at < next);
        if is_next {
            *next = Some(at);
        }
        is_next
    }

    /// Sets the next wake-up that the journal knows. Returns the time until then, at most `longest`.
    pub(super) fn set(&self, next: Option<SystemTime>, longest: Duration) -> Duration {
        let next = next.map(|next| self.instant(next));
        *lock(&self.next) = next;
        next.map_or(longest, |next| {
            next.saturating_duration_since(Instant::now()).min(longest)
        })
    }

    fn instant(&self, time: SystemTime) -> Instant {
        let remaining = self.clock.time_until(time);
        let now = Instant::now();
        now.checked_add(remaining + ROUNDING).unwrap_or(now)
    }
}
