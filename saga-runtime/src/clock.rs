//! The clock of journals and coordinators: the one place that reads the time of day.

use std::time::{Duration, SystemTime};

/// A clock: that of the system, or in tests one that follows the clock of tokio.
///
/// A coordinator asks its [journal](crate::journal::Journal::clock) for its clock, so that both agree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Clock {
    /// The time at which the clock was set, by the system and by tokio.
    #[cfg(feature = "testing")]
    set_at: Option<(SystemTime, tokio::time::Instant)>,
}

impl Clock {
    /// A clock that shows the system's time now, and moves as the clock of tokio does. With tokio's paused time, days of a saga
    /// pass in a moment.
    #[cfg(feature = "testing")]
    #[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
    #[must_use]
    pub fn of_tokio() -> Self {
        Self {
            set_at: Some((SystemTime::now(), tokio::time::Instant::now())),
        }
    }

    /// Returns whether a test winds it: then it may show days in a moment.
    #[cfg(feature = "metrics")]
    pub(crate) fn is_wound(self) -> bool {
        self != Self::default()
    }

    /// The time.
    #[must_use]
    pub fn now(self) -> SystemTime {
        #[cfg(feature = "testing")]
        if let Some((time, instant)) = self.set_at {
            return time + instant.elapsed();
        }
        SystemTime::now()
    }

    /// The time until then; zero if it has passed.
    #[must_use]
    pub fn time_until(self, time: SystemTime) -> Duration {
        time.duration_since(self.now()).unwrap_or_default()
    }

    /// The time since then; zero if it is still to come.
    #[must_use]
    pub fn time_since(self, time: SystemTime) -> Duration {
        self.now().duration_since(time).unwrap_or_default()
    }
}
