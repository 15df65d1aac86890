//! A journal that kills its process at a given write, and makes mistakes if it is told to.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use async_trait::async_trait;
use rustix::process::{Signal, getpid, kill_process};
use saga_runtime::SagaId;
use saga_runtime::journal::{
    AppendError, Claim, Claimed, ClaimedOne, Event, Filter, History, Journal, JournalError, Lease,
    NewSaga, Page, Rest, Sqlite, Started,
};

use crate::participant::Defect;

/// When to end the process: at the write with this number, counted from 1, before it or after it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Kill {
    pub(crate) before: Option<u64>,
    pub(crate) after: Option<u64>,
}

pub(crate) struct Killing {
    pub(crate) journal: Sqlite,
    pub(crate) kill: Kill,
    pub(crate) defect: Option<Defect>,
    pub(crate) writes: AtomicU64,
}

impl Killing {
    /// The next write begins.
    fn begin(&self) -> u64 {
        let write = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        if self.kill.before == Some(write) {
            end_process();
        }
        write
    }

    /// It is done.
    fn end(&self, write: u64) {
        if self.kill.after == Some(write) {
            end_process();
        }
    }
}

fn end_process() -> ! {
    let killed = kill_process(getpid(), Signal::KILL);
    unreachable!("the process is gone: {killed:?}")
}

#[async_trait]
impl Journal for Killing {
    async fn start(&self, saga: NewSaga, worker: Option<&Lease>) -> Result<Started, JournalError> {
        let write = self.begin();
        let started = self.journal.start(saga, worker).await;
        self.end(write);
        started
    }

    async fn claim(
        &self,
        worker: &Lease,
        names: &[&'static str],
        limit: usize,
    ) -> Result<Vec<Claimed>, JournalError> {
        let mut claimed = self.journal.claim(worker, names, limit).await?;
        if self.defect == Some(Defect::BeginsAnew) {
            for claimed in &mut claimed {
                claimed.entries = Ok(Vec::new());
            }
        }
        Ok(claimed)
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
        mut events: Vec<Event>,
    ) -> Result<(), AppendError> {
        let write = self.begin();
        let appended = match self.defect {
            Some(Defect::AppendsNotAwaited) => {
                let (journal, claim) = (self.journal.clone(), claim.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                    journal.append(&claim, first, events).await
                });
                Ok(())
            }
            // What is written last before the process ends never reaches the disk.
            Some(Defect::TailLost) if self.kill.after == Some(write) => Ok(()),
            Some(Defect::DecisionNotWritten) => {
                events.retain(|event| !matches!(event, Event::Compensating { .. }));
                self.journal.append(claim, first, events).await
            }
            _ => self.journal.append(claim, first, events).await,
        };
        if self.defect == Some(Defect::TailLost) {
            // The step after it is requested before the process ends.
            let next = self.kill.after.is_some_and(|after| write == after);
            if next {
                tokio::spawn(async {
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                    end_process();
                });
                return appended;
            }
        }
        self.end(write);
        appended
    }

    async fn release(&self, claim: &Claim, in_doubt: bool, rest: Rest) -> Result<(), JournalError> {
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
