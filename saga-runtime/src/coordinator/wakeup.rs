//! When the next saga that sleeps is to go on: then the journal is asked for it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::journal::Wakeup;

/// The time to wake up at.
#[derive(Debug, Default)]
pub(super) struct Alarm(Mutex<Option<Instant>>);

/// Journals have whole milliseconds.
const LATER: Duration = Duration::from_millis(1);

impl Alarm {
    /// A saga rests from now on; whether it wakes before all others.
    pub(super) fn is_next(&self, rest: Wakeup) -> bool {
        let Wakeup::At(time) = rest else {
            return false;
        };
        let at = instant(time);
        let mut next = self.lock();
        let is_next = next.is_none_or(|next| at < next);
        if is_next {
            *next = Some(at);
        }
        is_next
    }

    /// The journal says when the next saga wakes. How long it is until then, but no longer than `most`.
    pub(super) fn set(&self, next: Option<SystemTime>, most: Duration) -> Duration {
        let next = next.map(instant);
        *self.lock() = next;
        next.map_or(most, |next| {
            next.saturating_duration_since(Instant::now()).min(most)
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn instant(time: SystemTime) -> Instant {
    let left = time.duration_since(SystemTime::now()).unwrap_or_default();
    let now = Instant::now();
    now.checked_add(left + LATER).unwrap_or(now)
}
