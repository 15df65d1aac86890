//! A journal that kills its process at a given write, or takes the saga away from it, and makes mistakes if it is told to.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use rustix::process::{Signal, getpid, kill_process};
use saga_runtime::SagaId;
use saga_runtime::journal::{
    AppendError, Claim, Claimed, ClaimedOne, Event, Filter, History, Journal, JournalError, Lease,
    NewSaga, Page, SagaVersion, Sqlite, Started, Wakeup, Worker,
};
use tokio::sync::mpsc;

use crate::participant::Defect;

/// When to end the process: at the write with this number, counted from 1, before it or after it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Kill {
    pub(crate) before: Option<u64>,
    pub(crate) after: Option<u64>,
}

pub(crate) struct Killing {
    pub(crate) journal: Sqlite,
    /// SQLite's log of commits, which is the end of the journal.
    pub(crate) log: PathBuf,
    pub(crate) kill: Kill,
    /// The write before which another worker takes the saga over, has it cancelled and releases it.
    pub(crate) steal_before: Option<u64>,
    pub(crate) defect: Option<Defect>,
    pub(crate) writes: AtomicU64,
    /// The defect: events that were confirmed and are not written yet.
    pub(crate) late: OnceLock<mpsc::UnboundedSender<(Claim, u64, Vec<Event>)>>,
    /// The defect: the number of entries of each saga that were never written.
    pub(crate) left_out: Mutex<HashMap<SagaId, u64>>,
    /// The lease of the worker.
    pub(crate) lease: Mutex<Option<Lease>>,
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

    /// Another worker takes the saga over, because the lease has run out.
    async fn steal(&self, id: &SagaId) -> Result<(), JournalError> {
        let lease = self
            .lease
            .lock()
            .expect("nothing panics under the lock")
            .clone();
        let Some(lease) = lease else { return Ok(()) };
        let over = Lease {
            duration: Duration::ZERO,
            ..lease.clone()
        };
        let thief = Lease {
            worker: Worker::new("thief"),
            ..lease.clone()
        };
        self.journal.renew(&over).await?;
        let claimed = self.journal.claim_one(&thief, id).await?;
        self.journal.renew(&lease).await?;
        if let ClaimedOne::Claimed(claimed) = claimed {
            self.journal.request_cancel(id, "stolen").await?;
            let claim = &claimed.claim;
            self.journal.release(claim, true, Wakeup::Now).await?;
        }
        Ok(())
    }

    /// Writes the entries of a worker that may have lost the saga.
    async fn append_unfenced(
        &self,
        claim: &Claim,
        first: u64,
        events: Vec<Event>,
    ) -> Result<(), AppendError> {
        let loaded = self.journal.load(&claim.id).await?;
        let epoch = loaded.map_or(claim.epoch, |history| history.record.epoch);
        let claim = Claim {
            id: claim.id.clone(),
            epoch,
        };
        match self.journal.append(&claim, first, events).await {
            // No worker holds it, or another one has written there.
            Err(AppendError::Fenced { .. } | AppendError::NotContiguous { .. }) => Ok(()),
            appended => appended,
        }
    }

    /// Writes a moment later, one after the other.
    fn append_late(&self, claim: Claim, first: u64, events: Vec<Event>) {
        let late = self.late.get_or_init(|| {
            let journal = self.journal.clone();
            let (late, mut queue) = mpsc::unbounded_channel::<(Claim, u64, Vec<Event>)>();
            tokio::spawn(async move {
                while let Some((claim, first, events)) = queue.recv().await {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                    // The defect: no caller learns of a failure.
                    let _ = journal.append(&claim, first, events).await;
                }
            });
            late
        });
        late.send((claim, first, events))
            .expect("it is written as long as the process lives");
    }

    /// Writes everything but the decision to undo a saga, without a gap where it would stand.
    async fn append_undecided(
        &self,
        claim: &Claim,
        first: u64,
        mut events: Vec<Event>,
    ) -> Result<(), AppendError> {
        let count = events.len();
        events.retain(|event| !matches!(event, Event::Compensating { .. }));
        let first = {
            let mut left_out = self.left_out.lock().expect("nothing panics under the lock");
            let before = left_out.entry(claim.id.clone()).or_insert(0);
            let first = first - *before;
            *before += (count - events.len()) as u64;
            first
        };
        if events.is_empty() {
            return Ok(());
        }
        self.journal.append(claim, first, events).await
    }

    /// The length of the log.
    fn logged(&self) -> u64 {
        fs::metadata(&self.log).map_or(0, |log| log.len())
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
        *self.lease.lock().expect("nothing panics under the lock") = worker.cloned();
        let started = self.journal.start(saga, worker).await;
        self.end(write);
        started
    }

    async fn claim(
        &self,
        worker: &Lease,
        definitions: &[SagaVersion],
        limit: usize,
    ) -> Result<Vec<Claimed>, JournalError> {
        let mut claimed = self.journal.claim(worker, definitions, limit).await?;
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
        events: Vec<Event>,
    ) -> Result<(), AppendError> {
        let write = self.begin();
        if self.steal_before == Some(write) {
            self.steal(&claim.id).await?;
        }
        let logged = self.logged();
        let appended = match self.defect {
            Some(Defect::AppendsNotAwaited) => {
                self.append_late(claim.clone(), first, events);
                Ok(())
            }
            Some(Defect::FenceNotChecked) => self.append_unfenced(claim, first, events).await,
            Some(Defect::DecisionNotWritten) => self.append_undecided(claim, first, events).await,
            _ => self.journal.append(claim, first, events).await,
        };
        if self.defect == Some(Defect::TailLost) && self.kill.after == Some(write) {
            // The step after it is requested, and then the machine ends: writes that were not synced are gone from the file.
            let log = OpenOptions::new().write(true).open(&self.log);
            let log = log.expect("it was just written");
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(5)).await;
                log.set_len(logged).expect("it can be cut off");
                end_process();
            });
            return appended;
        }
        self.end(write);
        appended
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
