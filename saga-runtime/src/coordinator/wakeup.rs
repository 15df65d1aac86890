//! The time at which the next sleeping saga wakes up. The dispatcher then claims it.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::journal::Wakeup;
use crate::lock::lock;

/// The time of the next wake-up, if a saga sleeps until a known time.
#[derive(Debug, Default)]
pub(super) struct Alarm(Mutex<Option<Instant>>);

/// Journals store whole milliseconds, so a time is rounded up by one.
const ROUNDING: Duration = Duration::from_millis(1);

impl Alarm {
    /// Notes the wake-up of a saga that was just released. Returns whether it comes before all others.
    pub(super) fn is_next(&self, wakeup: Wakeup) -> bool {
        let Wakeup::At(time) = wakeup else {
            return false;
        };
        let at = instant(time);
        let mut next = lock(&self.0);
        let is_next = next.is_none_or(|next| at < next);
        if is_next {
            *next = Some(at);
        }
        is_next
    }

    /// Sets the next wake-up that the journal knows. Returns the time until then, at most `longest`.
    pub(super) fn set(&self, next: Option<SystemTime>, longest: Duration) -> Duration {
        let next = next.map(instant);
        *lock(&self.0) = next;
        next.map_or(longest, |next| {
            next.saturating_duration_since(Instant::now()).min(longest)
        })
    }
}

fn instant(time: SystemTime) -> Instant {
    let remaining = time.duration_since(SystemTime::now()).unwrap_or_default();
    let now = Instant::now();
    now.checked_add(remaining + ROUNDING).unwrap_or(now)
}
