//! The clock of the database beside that of this process. What rests wakes by the former, and is put to rest by the latter.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use crate::clock::Clock;
use crate::journal::Wakeup;

/// A difference that is left as it is: an answer takes a while, and clocks differ by a little.
const TOLERATED: Duration = Duration::from_secs(5);

/// The milliseconds by which the clock of this process is ahead of the database's, if that is much.
#[derive(Debug, Default)]
pub(super) struct Clocks(AtomicI64);

impl Clocks {
    /// Notes the time that the database has told just now.
    pub(super) fn note(&self, database: SystemTime) {
        let now = Clock::default().now();
        let ahead = match now.duration_since(database) {
            Ok(ahead) if ahead > TOLERATED => millis(ahead),
            Err(behind) if behind.duration() > TOLERATED => -millis(behind.duration()),
            _ => 0,
        };
        let before = self.0.swap(ahead, Ordering::Relaxed);
        if ahead != 0 && before == 0 {
            tracing::warn!(
                target: "saga",
                milliseconds_ahead = ahead,
                "the clock of this process differs from that of the database: set both right"
            );
        }
    }

    /// A wake-up by the clock of the database, from one by that of this process.
    pub(super) fn in_database(&self, wakeup: Wakeup) -> Wakeup {
        match wakeup {
            Wakeup::At(time) => Wakeup::At(earlier(time, self.0.load(Ordering::Relaxed))),
            other => other,
        }
    }

    /// A time by the clock of this process, from one by that of the database.
    pub(super) fn here(&self, time: SystemTime) -> SystemTime {
        earlier(time, -self.0.load(Ordering::Relaxed))
    }

    /// A wake-up by the clock of this process, from one by that of the database.
    pub(super) fn wakeup_here(&self, wakeup: Wakeup) -> Wakeup {
        match wakeup {
            Wakeup::At(time) => Wakeup::At(self.here(time)),
            other => other,
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The time so many milliseconds before; as it is if there is no such time.
fn earlier(time: SystemTime, millis: i64) -> SystemTime {
    let difference = Duration::from_millis(millis.unsigned_abs());
    let earlier = if millis < 0 {
        time.checked_add(difference)
    } else {
        time.checked_sub(difference)
    };
    earlier.unwrap_or(time)
}
