//! The journal of a case: one in memory that tells of each event that is recorded, and at which a process ends.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use crate::clock::Clock;
use crate::id::SagaId;
use crate::journal::{
    AppendError, Claim, Claimed, ClaimedOne, Event, Filter, History, Journal, JournalError, Lease,
    Listener, Memory, NewSaga, Page, Pause, Record, SagaVersion, Started, Wakeup,
};
use crate::testing::matrix::injector::Injector;

/// A journal in memory that tells of each event that is recorded.
pub(super) struct Watched {
    pub(super) memory: Memory,
    pub(super) injector: Arc<Injector>,
}

#[async_trait]
impl Journal for Watched {
    async fn append(
        &self,
        claim: &Claim,
        first: u64,
        events: Vec<Event>,
    ) -> Result<(), AppendError> {
        self.memory.append(claim, first, events.clone()).await?;
        let mut ends = false;
        for event in &events {
            ends |= self.injector.is_recorded(event);
        }
        if ends {
            // The process has ended: nobody gets an answer.
            pending::<()>().await;
        }
        Ok(())
    }

    async fn start(&self, saga: NewSaga, worker: Option<&Lease>) -> Result<Started, JournalError> {
        self.memory.start(saga, worker).await
    }

    async fn claim(
        &self,
        worker: &Lease,
        definitions: &[SagaVersion],
        limit: usize,
    ) -> Result<Vec<Claimed>, JournalError> {
        self.memory.claim(worker, definitions, limit).await
    }

    async fn next_rest(&self) -> Result<Option<SystemTime>, JournalError> {
        self.memory.next_rest().await
    }

    async fn claim_one(&self, worker: &Lease, id: &SagaId) -> Result<ClaimedOne, JournalError> {
        self.memory.claim_one(worker, id).await
    }

    async fn renew(&self, worker: &Lease) -> Result<Vec<SagaId>, JournalError> {
        self.memory.renew(worker).await
    }

    async fn release(
        &self,
        claim: &Claim,
        in_doubt: bool,
        rest: Wakeup,
    ) -> Result<(), JournalError> {
        self.memory.release(claim, in_doubt, rest).await
    }

    async fn request_cancel(&self, id: &SagaId, reason: &str) -> Result<bool, JournalError> {
        self.memory.request_cancel(id, reason).await
    }

    async fn load(&self, id: &SagaId) -> Result<Option<History>, JournalError> {
        self.memory.load(id).await
    }

    async fn record(&self, id: &SagaId) -> Result<Option<Record>, JournalError> {
        self.memory.record(id).await
    }

    async fn pause(&self, name: &str, reason: &str) -> Result<(), JournalError> {
        self.memory.pause(name, reason).await
    }

    async fn resume(&self, name: &str) -> Result<bool, JournalError> {
        self.memory.resume(name).await
    }

    async fn paused(&self) -> Result<Vec<Pause>, JournalError> {
        self.memory.paused().await
    }

    async fn list(&self, filter: &Filter) -> Result<Page, JournalError> {
        self.memory.list(filter).await
    }

    async fn purge(&self, before: SystemTime) -> Result<u64, JournalError> {
        self.memory.purge(before).await
    }

    async fn close(&self) {
        self.memory.close().await;
    }

    fn listen(&self, listener: Listener) {
        self.memory.listen(listener);
    }

    fn longest_lease(&self) -> Option<Duration> {
        self.memory.longest_lease()
    }

    fn clock(&self) -> Clock {
        self.memory.clock()
    }
}
