//! A request that is held back, so that a test can do something in the middle of it.

use std::sync::Arc;

use tokio::sync::Notify;

/// One request that waits for the test.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    arrived: Arc<Notify>,
    released: Arc<Notify>,
}

impl Hold {
    pub(super) fn new() -> Self {
        Self {
            arrived: Arc::new(Notify::new()),
            released: Arc::new(Notify::new()),
        }
    }

    pub(super) async fn hold(&self) {
        self.arrived.notify_one();
        self.released.notified().await;
    }

    /// Waits until the request is there.
    pub(crate) async fn arrived(&self) {
        super::ends(self.arrived.notified()).await;
    }

    /// Lets the request go on.
    pub(crate) fn release(&self) {
        self.released.notify_one();
    }
}
