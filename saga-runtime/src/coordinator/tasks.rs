//! The tasks of a coordinator: its loops, and one for each saga that runs.

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
#[cfg(feature = "testing")]
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of a coordinator, which it waits for when it shuts down. In a test they can end as if the process was killed.
#[derive(Debug, Clone, Default)]
pub(super) struct Tasks {
    tracker: TaskTracker,
    #[cfg(feature = "testing")]
    crash: CancellationToken,
}

impl Tasks {
    /// Runs a task in the current runtime.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        #[cfg(feature = "testing")]
        let task = until(self.crash.clone(), task);
        self.tracker.spawn(task)
    }

    /// Runs a task in this runtime.
    pub(super) fn spawn_on(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
        runtime: &Handle,
    ) {
        #[cfg(feature = "testing")]
        let task = until(self.crash.clone(), task);
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
        self.crash.cancel();
        self.close().await;
    }
}

/// Runs a task until its process is said to be dead.
#[cfg(feature = "testing")]
async fn until(crash: CancellationToken, task: impl Future<Output = ()>) {
    crash.run_until_cancelled_owned(task).await;
}
