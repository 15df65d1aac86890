//! The tasks of a coordinator: its loops, and one for each saga that runs.

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

#[cfg(feature = "testing")]
use crate::coordinator::lifetime::Lifetime;

/// The tasks of a coordinator, which it waits for when it shuts down. In a test they can end as if the process was killed.
#[derive(Debug, Clone, Default)]
pub(super) struct Tasks {
    tracker: TaskTracker,
    #[cfg(feature = "testing")]
    lifetime: Lifetime,
}

impl Tasks {
    /// Runs a task in the current runtime.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        #[cfg(feature = "testing")]
        let task = self.lifetime.clone().until_it_ends(task);
        self.tracker.spawn(task)
    }

    /// Runs a task in this runtime.
    pub(super) fn spawn_on(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
        runtime: &Handle,
    ) {
        #[cfg(feature = "testing")]
        let task = self.lifetime.clone().until_it_ends(task);
        self.tracker.spawn_on(task, runtime);
    }

    /// Returns when every task has ended.
    pub(super) async fn close(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Ends every task where it is, and returns when all are dropped. A later task does nothing.
    #[cfg(feature = "testing")]
    pub(super) async fn crash(&self) {
        self.lifetime.end();
        self.close().await;
    }

    /// Ends every task at this poll of them, counted from now, and returns when that has happened.
    #[cfg(feature = "testing")]
    pub(super) async fn end_at_poll(&self, poll: u64) {
        self.lifetime.end_at_poll(poll).await;
    }
}
