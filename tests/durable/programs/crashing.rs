//! A journal whose process dies at a certain write.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use async_trait::async_trait;
use saga_runtime::SagaId;
use saga_runtime::journal::{
    AppendError, Claim, Claimed, ClaimedOne, Event, Filter, History, Journal, JournalError, Lease,
    Memory, NewSaga, Page, SagaVersion, Started, Wakeup,
};
use tokio::sync::Notify;

/// When the process dies: at which write, and whether that is still written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Crash {
    pub(super) at: u64,
    pub(super) is_written: bool,
}

/// A journal in memory, and the crash of the process that writes to it.
#[derive(Clone)]
pub(super) struct Crashing {
    journal: Memory,
    crash: Option<Crash>,
    writes: Arc<AtomicU64>,
    died: Arc<Notify>,
}

impl Crashing {
    pub(super) fn new(journal: Memory, crash: Option<Crash>) -> Self {
        Self {
            journal,
            crash,
            writes: Arc::default(),
            died: Arc::default(),
        }
    }

    /// Waits until the process is dead.
    pub(super) async fn dies(&self) {
        self.died.notified().await;
    }

    /// Counts a write. Returns the crash if the process dies here, or is dead.
    fn next(&self) -> Option<Crash> {
        let write = self.writes.fetch_add(1, Ordering::SeqCst);
        self.crash.filter(|crash| crash.at <= write)
    }
}

#[async_trait]
impl Journal for Crashing {
    async fn start(&self, saga: NewSaga, worker: Option<&Lease>) -> Result<Started, JournalError> {
        self.journal.start(saga, worker).await
    }

    async fn claim(
        &self,
        worker: &Lease,
        definitions: &[SagaVersion],
        limit: usize,
    ) -> Result<Vec<Claimed>, JournalError> {
        self.journal.claim(worker, definitions, limit).await
    }

    async fn next_rest(&self) -> Result<Option<SystemTime>, JournalError> {
        self.journal.next_rest().await
    }

    async fn claim_one(&self, worker: &Lease, id: &SagaId) -> Result<ClaimedOne, JournalError> {
        self.journal.claim_one(worker, id).await
    }

    async fn renew(&self, worker: &Lease) -> Result<Vec<SagaId>, JournalError> {
        self.journal.renew(worker).await
    }

    async fn append(
        &self,
        claim: &Claim,
        first: u64,
        events: Vec<Event>,
    ) -> Result<(), AppendError> {
        match self.next() {
            None => self.journal.append(claim, first, events).await,
            Some(crash) => {
                if crash.is_written && self.writes.load(Ordering::SeqCst) == crash.at + 1 {
                    self.journal.append(claim, first, events).await?;
                }
                self.died.notify_one();
                pending().await
            }
        }
    }

    async fn release(
        &self,
        claim: &Claim,
        in_doubt: bool,
        rest: Wakeup,
    ) -> Result<(), JournalError> {
        self.journal.release(claim, in_doubt, rest).await
    }

    async fn request_cancel(&self, id: &SagaId, reason: &str) -> Result<bool, JournalError> {
        self.journal.request_cancel(id, reason).await
    }

    async fn load(&self, id: &SagaId) -> Result<Option<History>, JournalError> {
        self.journal.load(id).await
    }

    async fn list(&self, filter: &Filter) -> Result<Page, JournalError> {
        self.journal.list(filter).await
    }

    async fn purge(&self, before: SystemTime) -> Result<u64, JournalError> {
        self.journal.purge(before).await
    }
}
