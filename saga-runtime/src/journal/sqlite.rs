//! A journal in one file, for one process at a time.
//!
//! One thread writes, and commits all operations that wait together: the more sagas run, the fewer times a commit waits for
//! the disk. A second thread reads, and a third makes lists, so that operators' questions hold up no saga. SQL is called
//! directly and not through a pool: hundreds of rows go into one transaction, and each would otherwise travel between threads
//! by itself.
//!
//! ```text
//! Sqlite ──Operation──▶ writer ▶ batch ▶ transaction, claims ▶ insert, held, awake      opening: options ▶ location
//!    └─────question───▶ reader ▶ read                                                   ▶ descriptor ▶ file_lock ▶ presence
//! ```

mod awake;
mod batch;
mod checksum;
mod claims;
mod connection;
mod descriptor;
mod file_lock;
mod held;
mod insert;
mod integrity;
mod location;
mod operation;
mod options;
mod presence;
mod read;
mod reader;
mod room;
mod schema;
mod transaction;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use async_trait::async_trait;
use tokio::sync::OnceCell;
use tokio_util::task::TaskTracker;

use crate::id::SagaId;
use crate::journal::filter::count_pages;
use crate::journal::{
    AppendError, Claim, Claimed, ClaimedOne, Event, Filter, History, Journal, JournalError, Lease,
    NewSaga, Page, Pause, Record, Row, SagaVersion, Started, Tally, Wakeup, WorkerTally,
};
use crate::telemetry;
use checksum::Checked;
use claims::{TakenOne, TakenOver};
use operation::{Operation, Reply};
use presence::Presence;
use reader::Reader;
use writer::{Opened, Writer};

pub use options::SqliteOptions;

/// A [`Journal`] in an SQLite file. Clones are handles of the same journal.
///
/// Every write has reached the disk when it returns: `journal_mode=WAL`, `synchronous=FULL`. Payloads are JSON text, and
/// the tables can be read with `sqlite3`; the view `saga_states` shows the state of each saga.
///
/// One process at a time owns the file. On Linux it holds a lock on the file itself, by whatever name it was opened; elsewhere on
/// a file beside it, with `.owner` at the end of the name. The operating system releases the lock when the process ends, however it ends. Other processes can [read it](Self::open_read_only)
/// meanwhile. If the file is removed, replaced or emptied while it is open, everything is refused with [`JournalError::Gone`].
///
/// When the last handle is [closed](Journal::close) or dropped, the queued operations are written, and the file is closed. A
/// drop blocks its thread until then.
pub struct Sqlite {
    /// Empty once this handle is closed.
    shared: RwLock<Option<Arc<Shared>>>,
    /// The threads that have a connection.
    threads: TaskTracker,
    path: PathBuf,
}

struct Shared {
    /// Dropped first: the lock is released when everything is written.
    writer: Option<Writer>,
    reader: Reader,
    /// Reads lists, which may take a while. It is opened for the first list.
    lister: OnceCell<Reader>,
    presence: Arc<Presence>,
    /// The handles that are neither closed nor dropped.
    handles: AtomicUsize,
}

impl Clone for Sqlite {
    fn clone(&self) -> Self {
        let shared = self.shared().ok();
        if let Some(shared) = &shared {
            shared.handles.fetch_add(1, Ordering::Relaxed);
        }
        Self {
            shared: RwLock::new(shared),
            threads: self.threads.clone(),
            path: self.path.clone(),
        }
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Sqlite {
    /// Opens the journal in this file, and creates it if it does not exist, which is an event at level INFO. A relative path is
    /// resolved now: a later change of the working directory changes nothing.
    ///
    /// # Errors
    /// [`JournalError::InUse`] if another process uses it, [`JournalError::Unsuitable`] if the file is something else or was
    /// written by a newer version, [`JournalError::Unavailable`] if it can't be read or written.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        Self::options().open(path).await
    }

    /// The settings with which a journal can be opened.
    pub fn options() -> SqliteOptions {
        SqliteOptions::default()
    }

    /// Opens the journal like [`open`](Self::open), in a file with [at most so many pages](SqliteOptions::max_pages).
    ///
    /// # Errors
    /// Like [`open`](Self::open).
    pub async fn open_with_limit(path: impl AsRef<Path>, pages: u32) -> Result<Self, JournalError> {
        Self::options().max_pages(pages).open(path).await
    }

    async fn open_with(path: &Path, options: &SqliteOptions) -> Result<Self, JournalError> {
        let path = location::resolve(path)?;
        let threads = TaskTracker::new();
        let opened = Writer::open(&path, options, &threads).await?;
        let Opened {
            writer,
            presence,
            is_new,
        } = opened;
        if is_new {
            telemetry::journal_created(&path);
        }
        Self::with(path, Some(writer), presence, threads).await
    }

    /// Opens the journal in this file to be read, also while another process uses it. A write through this handle fails with
    /// [`JournalError::Unsuitable`].
    ///
    /// # Errors
    /// Like [`open`](Self::open), but never [`JournalError::InUse`]. [`JournalError::Unsuitable`] also if the file was written by
    /// an older version, whose tables only `open` brings up to date.
    pub async fn open_read_only(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        let path = location::resolve(path.as_ref())?;
        location::check_other_names(&path)?;
        let descriptor = descriptor::of(&path, false).map_err(JournalError::unavailable)?;
        let presence = Arc::new(Presence::new(&path, descriptor));
        Self::with(path, None, presence, TaskTracker::new()).await
    }

    async fn with(
        path: PathBuf,
        writer: Option<Writer>,
        presence: Arc<Presence>,
        threads: TaskTracker,
    ) -> Result<Self, JournalError> {
        let reader = Reader::open(path.clone(), Arc::clone(&presence), &threads).await?;
        let shared = Shared {
            writer,
            reader,
            lister: OnceCell::new(),
            presence,
            handles: AtomicUsize::new(1),
        };
        Ok(Self {
            shared: RwLock::new(Some(Arc::new(shared))),
            threads,
            path,
        })
    }

    /// Returns how many transactions were committed since the journal was opened: operations that are written together count
    /// once.
    #[must_use]
    pub fn commits(&self) -> u64 {
        let shared = self.shared().ok();
        let commits = shared.and_then(|shared| Some(shared.writer.as_ref()?.commits()));
        commits.unwrap_or_default()
    }

    fn shared(&self) -> Result<Arc<Shared>, JournalError> {
        let shared = self.shared.read().unwrap_or_else(PoisonError::into_inner);
        shared.as_ref().map(Arc::clone).ok_or(JournalError::Closed)
    }

    /// The connection for what may take a while.
    async fn lister(&self) -> Result<Reader, JournalError> {
        let shared = self.shared()?;
        let presence = Arc::clone(&shared.presence);
        let open = || Reader::open(self.path.clone(), presence, &self.threads);
        shared.lister.get_or_try_init(open).await.cloned()
    }

    /// Closes this handle. Returns the journal if it was the last one.
    fn give_up(&self) -> Option<Arc<Shared>> {
        let mut shared = self.shared.write().unwrap_or_else(PoisonError::into_inner);
        let shared = shared.take()?;
        let is_last = shared.handles.fetch_sub(1, Ordering::AcqRel) == 1;
        is_last.then_some(shared)
    }

    fn send(&self, operation: Operation) -> Result<(), JournalError> {
        let shared = self.shared()?;
        let Some(writer) = &shared.writer else {
            let path = self.path.display();
            return Err(JournalError::Unsuitable {
                message: format!("the journal {path} was opened to be read only"),
            });
        };
        writer.send(operation)
    }

    /// Sends an operation to the writer, and waits for its answer.
    async fn write<T, E: From<JournalError>>(
        &self,
        operation: impl FnOnce(Reply<T, E>) -> Operation,
    ) -> Result<T, E> {
        let (reply, answer) = Reply::channel();
        self.send(operation(reply))?;
        answer
            .await
            .unwrap_or_else(|_| Err(JournalError::Closed.into()))
    }
}

#[async_trait]
impl Journal for Sqlite {
    async fn start(&self, saga: NewSaga, worker: Option<&Lease>) -> Result<Started, JournalError> {
        let lease = worker.cloned();
        let checksum = checksum::of_saga(&saga);
        self.write(|reply| Operation::Start {
            saga,
            checksum,
            lease,
            reply,
        })
        .await
    }

    async fn claim(
        &self,
        worker: &Lease,
        definitions: &[SagaVersion],
        limit: usize,
    ) -> Result<Vec<Claimed>, JournalError> {
        let (lease, definitions) = (worker.clone(), definitions.to_vec());
        let taken = self.write(|reply| Operation::Claim {
            lease,
            definitions,
            limit,
            reply,
        });
        // Decoded here and not by the writer thread.
        Ok(taken.await?.into_iter().map(TakenOver::read).collect())
    }

    async fn next_rest(&self) -> Result<Option<SystemTime>, JournalError> {
        let reader = self.shared()?.reader.clone();
        reader.read(|rows| rows.next_rest()).await
    }

    async fn claim_one(&self, worker: &Lease, id: &SagaId) -> Result<ClaimedOne, JournalError> {
        let (lease, id) = (worker.clone(), id.clone());
        let taken = self.write(|reply| Operation::ClaimOne { lease, id, reply });
        taken.await.map(TakenOne::read)
    }

    async fn renew(&self, worker: &Lease) -> Result<Vec<SagaId>, JournalError> {
        let lease = worker.clone();
        self.write(|reply| Operation::Renew { lease, reply }).await
    }

    async fn append(
        &self,
        claim: &Claim,
        first: u64,
        events: Vec<Event>,
    ) -> Result<(), AppendError> {
        let claim = claim.clone();
        // Encoded here and not by the writer thread.
        let rows = events.into_iter().map(Row::from);
        let rows = rows.map(Checked::from).collect();
        self.write(|reply| Operation::Append {
            claim,
            first,
            rows,
            reply,
        })
        .await
        .map(drop)
    }

    async fn release(
        &self,
        claim: &Claim,
        in_doubt: bool,
        rest: Wakeup,
    ) -> Result<(), JournalError> {
        let claim = claim.clone();
        self.write(|reply| Operation::Release {
            claim,
            in_doubt,
            rest,
            reply,
        })
        .await
    }

    async fn request_cancel(&self, id: &SagaId, reason: &str) -> Result<bool, JournalError> {
        let (id, reason) = (id.clone(), reason.to_owned());
        self.write(|reply| Operation::RequestCancel { id, reason, reply })
            .await
    }

    async fn load(&self, id: &SagaId) -> Result<Option<History>, JournalError> {
        let id = id.clone();
        let reader = self.shared()?.reader.clone();
        reader.read(move |rows| rows.load(&id)).await
    }

    async fn record(&self, id: &SagaId) -> Result<Option<Record>, JournalError> {
        let id = id.clone();
        let reader = self.shared()?.reader.clone();
        let found = reader.read(move |rows| rows.record(&id)).await?;
        Ok(found.map(|(record, _)| record))
    }

    async fn list(&self, filter: &Filter) -> Result<Page, JournalError> {
        let filter = filter.clone();
        let lister = self.lister().await?;
        lister.read(move |rows| rows.list(&filter)).await
    }

    async fn count(&self, filter: &Filter) -> Result<u64, JournalError> {
        let counted = filter.clone();
        let lister = self.lister().await?;
        match lister.read(move |rows| rows.count(&counted)).await? {
            Some(sagas) => Ok(sagas),
            None => count_pages(self, filter).await,
        }
    }

    fn commit_count(&self) -> Option<u64> {
        Some(self.commits())
    }

    async fn tally(&self) -> Result<Tally, JournalError> {
        self.lister().await?.read(|rows| rows.tally()).await
    }

    async fn workers(&self) -> Result<Vec<WorkerTally>, JournalError> {
        self.lister().await?.read(|rows| rows.workers()).await
    }

    async fn pause(&self, name: &str, reason: &str) -> Result<(), JournalError> {
        let (name, reason) = (name.to_owned(), Some(reason.to_owned()));
        let paused = self.write(|reply| Operation::SetPause {
            name,
            reason,
            reply,
        });
        paused.await.map(drop)
    }

    async fn resume(&self, name: &str) -> Result<bool, JournalError> {
        let (name, reason) = (name.to_owned(), None);
        self.write(|reply| Operation::SetPause {
            name,
            reason,
            reply,
        })
        .await
    }

    async fn paused(&self) -> Result<Vec<Pause>, JournalError> {
        let reader = self.shared()?.reader.clone();
        reader.read(|rows| rows.paused()).await
    }

    async fn purge(&self, before: SystemTime) -> Result<u64, JournalError> {
        let (mut after, mut count) = (0, 0);
        loop {
            let purge = |reply| Operation::Purge {
                before,
                after,
                reply,
            };
            let purged = self.write(purge).await?;
            count += purged.count;
            match purged.through {
                Some(through) => after = through,
                None => return Ok(count),
            }
        }
    }

    async fn close(&self) {
        if let Some(shared) = self.give_up() {
            self.threads.close();
            // The drop of the journal waits for the disk.
            let _ = tokio::task::spawn_blocking(move || drop(shared)).await;
        }
        // The caller of an earlier call may have gone in the middle of it.
        if self.threads.is_closed() {
            self.threads.wait().await;
        }
    }
}
