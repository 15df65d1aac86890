//! A journal in Postgres that works on another runtime than its coordinator.

use std::time::SystemTime;

use async_trait::async_trait;
use saga_runtime::SagaId;
use saga_runtime::journal::{
    AppendError, Claim, Claimed, ClaimedOne, Event, Filter, History, Journal, JournalError, Lease,
    NewSaga, Page, Pause, Postgres, Record, SagaVersion, Started, Wakeup,
};

use super::in_real_time;

pub(super) struct Elsewhere(pub(super) Postgres);

impl Elsewhere {
    async fn ask<T: Send + 'static, F: Future<Output = T> + Send>(
        &self,
        ask: impl FnOnce(Postgres) -> F + Send + 'static,
    ) -> T {
        let journal = self.0.clone();
        in_real_time(async move { ask(journal).await }).await
    }
}

#[async_trait]
impl Journal for Elsewhere {
    async fn start(&self, saga: NewSaga, worker: Option<&Lease>) -> Result<Started, JournalError> {
        let worker = worker.cloned();
        self.ask(|journal| async move { journal.start(saga, worker.as_ref()).await })
            .await
    }

    async fn claim(
        &self,
        worker: &Lease,
        definitions: &[SagaVersion],
        limit: usize,
    ) -> Result<Vec<Claimed>, JournalError> {
        let (worker, definitions) = (worker.clone(), definitions.to_vec());
        self.ask(move |journal| async move { journal.claim(&worker, &definitions, limit).await })
            .await
    }

    async fn next_rest(&self) -> Result<Option<SystemTime>, JournalError> {
        self.ask(|journal| async move { journal.next_rest().await })
            .await
    }

    async fn claim_one(&self, worker: &Lease, id: &SagaId) -> Result<ClaimedOne, JournalError> {
        let (worker, id) = (worker.clone(), id.clone());
        self.ask(move |journal| async move { journal.claim_one(&worker, &id).await })
            .await
    }

    async fn renew(&self, worker: &Lease) -> Result<Vec<SagaId>, JournalError> {
        let worker = worker.clone();
        self.ask(move |journal| async move { journal.renew(&worker).await })
            .await
    }

    async fn append(
        &self,
        claim: &Claim,
        first: u64,
        events: Vec<Event>,
    ) -> Result<(), AppendError> {
        let claim = claim.clone();
        self.ask(move |journal| async move { journal.append(&claim, first, events).await })
            .await
    }

    async fn release(
        &self,
        claim: &Claim,
        in_doubt: bool,
        rest: Wakeup,
    ) -> Result<(), JournalError> {
        let claim = claim.clone();
        self.ask(move |journal| async move { journal.release(&claim, in_doubt, rest).await })
            .await
    }

    async fn request_cancel(&self, id: &SagaId, reason: &str) -> Result<bool, JournalError> {
        let (id, reason) = (id.clone(), reason.to_owned());
        self.ask(move |journal| async move { journal.request_cancel(&id, &reason).await })
            .await
    }

    async fn load(&self, id: &SagaId) -> Result<Option<History>, JournalError> {
        let id = id.clone();
        self.ask(move |journal| async move { journal.load(&id).await })
            .await
    }

    async fn record(&self, id: &SagaId) -> Result<Option<Record>, JournalError> {
        let id = id.clone();
        self.ask(move |journal| async move { journal.record(&id).await })
            .await
    }

    async fn list(&self, filter: &Filter) -> Result<Page, JournalError> {
        let filter = filter.clone();
        self.ask(move |journal| async move { journal.list(&filter).await })
            .await
    }

    async fn paused(&self) -> Result<Vec<Pause>, JournalError> {
        self.ask(|journal| async move { journal.paused().await })
            .await
    }

    async fn purge(&self, before: SystemTime) -> Result<u64, JournalError> {
        self.ask(move |journal| async move { journal.purge(before).await })
            .await
    }
}
