//! A journal of which one call fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use async_trait::async_trait;
use saga_runtime::SagaId;
use saga_runtime::journal::{
    AppendError, Claim, Claimed, ClaimedOne, Event, Filter, History, Journal, JournalError, Lease,
    NewSaga, Page, SagaVersion, Started, Wakeup,
};
use tokio::task::yield_now;

/// The failure of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing happens.
    Fails,
    /// It has its effect, and its caller gets an error.
    AnswerIsLost,
}

/// A journal of which one call fails, and which lets others run before and after each. Clones are the same journal.
#[derive(Clone)]
pub(super) struct Faulty<J> {
    journal: J,
    pub(super) calls: Arc<AtomicUsize>,
    fault: Option<(usize, Fault)>,
}

impl<J> Faulty<J> {
    pub(super) fn new(journal: J, fault: Option<(usize, Fault)>) -> Self {
        let calls = Arc::default();
        Self {
            journal,
            calls,
            fault,
        }
    }

    async fn call<T, E: From<JournalError>>(
        &self,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let fault = self.fault.filter(|(at, _)| *at == number);
        let fault = fault.map(|(_, fault)| fault);
        let lost = || {
            let message = "the line is cut".to_owned();
            Err(E::from(JournalError::Unavailable {
                message,
                source: None,
            }))
        };
        yield_now().await;
        if fault == Some(Fault::Fails) {
            return lost();
        }
        let answer = call.await;
        yield_now().await;
        if fault == Some(Fault::AnswerIsLost) {
            return lost();
        }
        answer
    }
}

#[async_trait]
impl<J: Journal> Journal for Faulty<J> {
    async fn start(&self, saga: NewSaga, worker: Option<&Lease>) -> Result<Started, JournalError> {
        self.call(self.journal.start(saga, worker)).await
    }

    async fn claim(
        &self,
        worker: &Lease,
        definitions: &[SagaVersion],
        limit: usize,
    ) -> Result<Vec<Claimed>, JournalError> {
        self.call(self.journal.claim(worker, definitions, limit))
            .await
    }

    async fn next_rest(&self) -> Result<Option<SystemTime>, JournalError> {
        self.call(self.journal.next_rest()).await
    }

    async fn claim_one(&self, worker: &Lease, id: &SagaId) -> Result<ClaimedOne, JournalError> {
        self.call(self.journal.claim_one(worker, id)).await
    }

    async fn renew(&self, worker: &Lease) -> Result<Vec<SagaId>, JournalError> {
        self.call(self.journal.renew(worker)).await
    }

    async fn append(
        &self,
        claim: &Claim,
        first: u64,
        events: Vec<Event>,
    ) -> Result<(), AppendError> {
        self.call(self.journal.append(claim, first, events)).await
    }

    async fn release(
        &self,
        claim: &Claim,
        in_doubt: bool,
        rest: Wakeup,
    ) -> Result<(), JournalError> {
        self.call(self.journal.release(claim, in_doubt, rest)).await
    }

    async fn request_cancel(&self, id: &SagaId, reason: &str) -> Result<bool, JournalError> {
        self.call(self.journal.request_cancel(id, reason)).await
    }

    async fn load(&self, id: &SagaId) -> Result<Option<History>, JournalError> {
        self.call(self.journal.load(id)).await
    }

    async fn list(&self, filter: &Filter) -> Result<Page, JournalError> {
        self.call(self.journal.list(filter)).await
    }

    async fn purge(&self, before: SystemTime) -> Result<u64, JournalError> {
        self.call(self.journal.purge(before)).await
    }
}
