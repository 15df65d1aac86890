//! A journal in one file, for one process at a time.
//!
//! One thread writes, and commits everything that waits for it together: the more sagas there are, the fewer times the
//! disk is waited for. Another thread reads, and one more makes lists, so that operators' questions hold nobody up. SQL is called directly and not
//! through a pool: hundreds of rows go into one transaction, and each would otherwise travel between threads by itself.

mod awake;
mod batch;
mod claims;
mod connection;
mod file_lock;
mod held;
mod insert;
mod operation;
mod read;
mod reader;
mod schema;
mod transaction;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use tokio::sync::OnceCell;

use crate::id::SagaId;
use crate::journal::{
    AppendError, Claim, Claimed, ClaimedOne, Event, Filter, History, Journal, JournalError, Lease,
    NewSaga, Page, Row, Started, Wakeup,
};
use claims::{TakenOne, TakenOver};
use operation::{Operation, Reply};
use reader::Reader;
use writer::Writer;

/// A [`Journal`] in an SQLite file. Clones are the same journal.
///
/// Every write has reached the disk when it returns: `journal_mode=WAL`, `synchronous=FULL`. Payloads are JSON text, and
/// the tables can be read with `sqlite3`; the view `saga_states` shows what is going on.
///
/// One process at a time uses the file: it holds a lock on a file beside it (`….owner`), which the operating system lets go
/// of when the process ends, however it ends. Others can [look at it](Self::open_read_only) meanwhile.
///
/// When the last clone is dropped, what is queued is written, and the file is closed; the drop waits for that.
#[derive(Clone)]
pub struct Sqlite(Arc<Shared>);

struct Shared {
    /// Dropped first: the lock is let go of when everything is written.
    writer: Option<Writer>,
    reader: Reader,
    /// Reads lists, which may take a while, once somebody wants one.
    lister: OnceCell<Reader>,
    path: PathBuf,
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite")
            .field("path", &self.0.path)
            .finish_non_exhaustive()
    }
}

impl Sqlite {
    /// Opens the journal in this file, and creates it if it is not there.
    ///
    /// # Errors
    /// [`JournalError::InUse`] if another process uses it, [`JournalError::Unsuitable`] if the file is something else or was
    /// written by a newer version, [`JournalError::Unavailable`] if it can't be read or written.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        Self::open_limited(path.as_ref(), None).await
    }

    /// Opens the journal like [`open`](Self::open), in a file that may not have more than this many pages of 4 KiB. When it
    /// is full, nothing more is written until it is opened with room: like a full disk, but for this file only.
    ///
    /// # Errors
    /// Like [`open`](Self::open).
    pub async fn open_with_limit(path: impl AsRef<Path>, pages: u32) -> Result<Self, JournalError> {
        Self::open_limited(path.as_ref(), Some(pages)).await
    }

    async fn open_limited(path: &Path, pages: Option<u32>) -> Result<Self, JournalError> {
        let writer = Writer::open(path.to_owned(), pages).await?;
        Self::with(Some(writer), path).await
    }

    /// Opens the journal in this file to be looked at, also while another process uses it. Whatever would write is
    /// [`JournalError::Unsuitable`].
    ///
    /// # Errors
    /// Like [`open`](Self::open), but never [`JournalError::InUse`].
    pub async fn open_read_only(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        Self::with(None, path.as_ref()).await
    }

    async fn with(writer: Option<Writer>, path: &Path) -> Result<Self, JournalError> {
        let path = path.to_owned();
        let reader = Reader::open(path.clone()).await?;
        Ok(Self(Arc::new(Shared {
            writer,
            reader,
            lister: OnceCell::new(),
            path,
        })))
    }

    /// How many transactions were committed since the journal was opened: what is written together counts once.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.0.writer.as_ref().map_or(0, Writer::commits)
    }

    fn writer(&self) -> Result<&Writer, JournalError> {
        self.0
            .writer
            .as_ref()
            .ok_or_else(|| JournalError::Unsuitable {
                message: format!(
                    "the journal {} was opened to be read only",
                    self.0.path.display()
                ),
            })
    }

    /// Lets the writer do something, and waits for its answer.
    async fn write<T, E: From<JournalError>>(
        &self,
        op: impl FnOnce(Reply<T, E>) -> Operation,
    ) -> Result<T, E> {
        let (reply, answer) = Reply::channel();
        self.writer()?.send(op(reply))?;
        answer
            .await
            .unwrap_or_else(|_| Err(JournalError::Closed.into()))
    }
}

#[async_trait]
impl Journal for Sqlite {
    async fn start(&self, saga: NewSaga, worker: Option<&Lease>) -> Result<Started, JournalError> {
        let lease = worker.cloned();
        self.write(|reply| Operation::Start { saga, lease, reply })
            .await
    }

    async fn claim(
        &self,
        worker: &Lease,
        names: &[&'static str],
        limit: usize,
    ) -> Result<Vec<Claimed>, JournalError> {
        let (lease, names) = (worker.clone(), names.to_vec());
        let taken = self.write(|reply| Operation::Claim {
            lease,
            names,
            limit,
            reply,
        });
        // Read here and not by the one thread that writes.
        Ok(taken.await?.into_iter().map(TakenOver::read).collect())
    }

    async fn next_rest(&self) -> Result<Option<SystemTime>, JournalError> {
        self.0.reader.read(|rows| rows.next_rest()).await
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
        // Made here and not by the one thread that writes.
        let rows = events.into_iter().map(Row::from).collect();
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
        self.0.reader.read(move |rows| rows.load(&id)).await
    }

    async fn list(&self, filter: &Filter) -> Result<Page, JournalError> {
        let filter = filter.clone();
        let open = || Reader::open(self.0.path.clone());
        let lister = self.0.lister.get_or_try_init(open).await?;
        lister.read(move |rows| rows.list(&filter)).await
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
}
