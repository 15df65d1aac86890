//! The pauses of a worker between its looks at the journal: the more workers there are, the less often each of them looks.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// The time between two looks of idle workers, of all together, if they are many.
const SHARE: Duration = Duration::from_millis(20);

/// How many of many workers are to wake for something that one of them has to do.
const WATCHERS: u32 = 8;

/// A duration that no coordinator outlives.
const FOR_EVER: Duration = Duration::from_hours(24 * 365);

/// The pauses of a worker. A worker that holds sagas looks every third of its lease. An idle one may look up to half as often: where
/// workers are many, one of them looks all the time.
#[derive(Debug)]
pub(super) struct Rhythm {
    third: Duration,
    /// The number of workers, as the last look has counted them.
    workers: AtomicU32,
    /// True if looks tell if there is something to claim.
    is_told: AtomicBool,
}

impl Rhythm {
    pub(super) fn new(lease: Duration) -> Self {
        Self {
            third: lease / 3,
            workers: AtomicU32::new(1),
            is_told: AtomicBool::default(),
        }
    }

    /// Notes what a look has told.
    pub(super) fn note(&self, workers: u32) {
        self.workers.store(workers.max(1), Ordering::Relaxed);
        self.is_told.store(true, Ordering::Relaxed);
    }

    /// A third of the lease.
    pub(super) fn third(&self) -> Duration {
        self.third
    }

    /// The longest pause between two claims that find nothing.
    pub(super) fn between_claims(&self) -> Duration {
        if self.is_told.load(Ordering::Relaxed) {
            FOR_EVER
        } else {
            self.third
        }
    }

    /// The pause before the next look. At least a third of the lease is left after it, so that a look that fails can be repeated.
    pub(super) fn between_looks(&self, is_idle: bool) -> Duration {
        let pause = if is_idle {
            self.share(SHARE).clamp(self.third, 2 * self.third)
        } else {
            self.third
        };
        // Workers that were started at the same time do not look at the same time.
        pause.mul_f64(1.0 - 0.2 * fastrand::f64())
    }

    /// The pause before another look, after one has failed.
    pub(super) fn after_a_failure(&self) -> Duration {
        if self.is_told.load(Ordering::Relaxed) {
            self.third / 2
        } else {
            self.third
        }
    }

    /// The time between two turns of this worker, if all of them together take one in this time.
    pub(super) fn share(&self, time: Duration) -> Duration {
        time.saturating_mul(self.workers.load(Ordering::Relaxed))
    }

    /// Returns whether this worker is one of the few that wake for something that one of them has to do.
    pub(super) fn is_watcher(&self) -> bool {
        fastrand::u32(..self.workers.load(Ordering::Relaxed)) < WATCHERS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(30);

    /// The looks of so many idle workers in a second.
    fn looks(workers: u32) -> f64 {
        let rhythm = Rhythm::new(LEASE);
        rhythm.note(workers);
        let pauses: f64 = (0..1000)
            .map(|_| rhythm.between_looks(true).as_secs_f64())
            .sum();
        1000.0 / pauses * f64::from(workers)
    }

    #[test]
    fn fifteen_hundred_idle_workers_look_less_than_a_hundred_times_a_second() {
        for workers in [1, 10, 100, 500, 1000, 1500] {
            assert!(looks(workers) < 100.0, "{workers}: {}", looks(workers));
        }
    }

    #[test]
    fn a_look_that_fails_can_be_repeated_before_the_lease_ends() {
        let rhythm = Rhythm::new(LEASE);
        rhythm.note(1_000_000);
        for _ in 0..1000 {
            assert!(rhythm.between_looks(true) <= LEASE * 2 / 3);
            assert!(rhythm.between_looks(false) <= LEASE / 3);
        }
        assert!(LEASE * 2 / 3 + rhythm.after_a_failure() < LEASE);
    }

    #[test]
    fn of_few_workers_each_one_watches_and_of_many_a_few() {
        let rhythm = Rhythm::new(LEASE);
        rhythm.note(WATCHERS);
        assert!((0..1000).all(|_| rhythm.is_watcher()));
        rhythm.note(100 * WATCHERS);
        let watchers = (0..1000).filter(|_| rhythm.is_watcher()).count();
        assert!(watchers < 100, "{watchers}");
    }
}
