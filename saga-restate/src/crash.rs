//! A saga that ends at a poll, as if its process had ended there, for tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// No crash was asked for.
const NEVER: u64 = u64::MAX;

/// The crash that was asked for has happened.
const HAPPENED: u64 = u64::MAX - 1;

/// Ends a saga of an [`Endpoint`](crate::Endpoint) at one of its polls, as if its process had ended there. Restate calls it again. Clones
/// are the same one.
///
/// A test that counts up from 0 until [`has_happened`](Self::has_happened) says no ends a saga at each of its `await`s.
///
/// ```
/// # use saga_restate::Endpoint;
/// use saga_restate::testing::CrashPoint;
///
/// let crash = CrashPoint::default();
/// let endpoint = Endpoint::builder(()).crashes(&crash);
/// # let _ = endpoint;
/// crash.at_poll(3);
/// // The saga is executed.
/// assert!(!crash.has_happened());
/// ```
#[derive(Debug, Clone)]
pub struct CrashPoint {
    /// The polls until it happens.
    left: Arc<AtomicU64>,
}

impl Default for CrashPoint {
    fn default() -> Self {
        let left = Arc::new(AtomicU64::new(NEVER));
        Self { left }
    }
}

impl CrashPoint {
    /// Ends the saga that is polled as this one, counted from now over all sagas of the endpoint. It happens once.
    pub fn at_poll(&self, poll: u64) {
        self.left.store(poll, Ordering::SeqCst);
    }

    /// True if it has happened, since [`at_poll`](Self::at_poll) was called last.
    #[must_use]
    pub fn has_happened(&self) -> bool {
        self.left.load(Ordering::SeqCst) == HAPPENED
    }

    /// Counts a poll. True if the saga ends before it.
    pub(crate) fn is_now(&self) -> bool {
        let count = |left: u64| match left {
            NEVER | HAPPENED => None,
            0 => Some(HAPPENED),
            left => Some(left - 1),
        };
        let counted = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, count);
        counted == Ok(0)
    }
}
