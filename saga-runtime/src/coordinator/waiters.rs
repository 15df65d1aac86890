//! Who waits for which saga to end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::id::SagaId;

/// Those who wait for sagas that they did not start, or that wait in the journal.
#[derive(Debug, Default)]
pub(super) struct Waiters(Mutex<HashMap<SagaId, Arc<Notify>>>);

impl Waiters {
    /// Somebody begins to wait for a saga.
    pub(super) fn enter(&self, id: &SagaId) -> Waiter<'_> {
        let ended = Arc::clone(self.lock().entry(id.clone()).or_default());
        Waiter {
            waiters: self,
            id: id.clone(),
            ended,
        }
    }

    /// A saga has ended, or was let go of.
    pub(super) fn wake(&self, id: &SagaId) {
        if let Some(ended) = self.lock().get(id) {
            ended.notify_waiters();
        }
    }

    /// No saga runs here any more.
    pub(super) fn wake_all(&self) {
        for ended in self.lock().values() {
            ended.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SagaId, Arc<Notify>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits.
#[derive(Debug)]
pub(super) struct Waiter<'a> {
    waiters: &'a Waiters,
    id: SagaId,
    /// Notified when the saga has ended, or was let go of.
    pub(super) ended: Arc<Notify>,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut waiters = self.waiters.lock();
        // The map's and this one: nobody else waits.
        if Arc::strong_count(&self.ended) == 2 {
            waiters.remove(&self.id);
        }
    }
}
