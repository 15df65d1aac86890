//! The end of a process, as a test sees it: from one poll to the next, none of its tasks goes on.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use tokio_util::sync::CancellationToken;

/// The time for which the tasks of a coordinator run.
#[derive(Debug, Clone)]
pub(super) struct Lifetime {
    ended: CancellationToken,
    /// The number of polls before the end.
    left: Arc<AtomicU64>,
}

/// More polls than any process has.
const FOR_EVER: u64 = u64::MAX;

impl Default for Lifetime {
    fn default() -> Self {
        Self {
            ended: CancellationToken::new(),
            left: Arc::new(AtomicU64::new(FOR_EVER)),
        }
    }
}

impl Lifetime {
    /// Ends it now.
    pub(super) fn end(&self) {
        self.ended.cancel();
    }

    /// Ends it at this poll of its tasks, counted from now, and returns when that has happened.
    pub(super) async fn end_at_poll(&self, poll: u64) {
        self.left.store(poll, Ordering::SeqCst);
        self.ended.cancelled().await;
    }

    /// Runs a task until the process ends.
    pub(super) async fn until_it_ends(self, task: impl Future<Output = ()>) {
        let mut task = pin!(task);
        let lives = poll_fn(|cx| {
            if self.is_over() {
                return Poll::Pending;
            }
            task.as_mut().poll(cx)
        });
        self.ended.run_until_cancelled(lives).await;
    }

    /// Counts a poll. Returns whether the process has ended before it.
    fn is_over(&self) -> bool {
        let count = |left: u64| (left != FOR_EVER).then(|| left.saturating_sub(1));
        let left = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, count);
        if left == Ok(0) {
            self.end();
        }
        self.ended.is_cancelled()
    }
}
