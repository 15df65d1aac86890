//! The thread that writes: everything that waits is written in one transaction.

use std::collections::VecDeque;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::oneshot;

use crate::journal::JournalError;
use crate::journal::sqlite::connection;
use crate::journal::sqlite::file_lock::FileLock;
use crate::journal::sqlite::operation::{Operation, OperationResult, answer_all};
use crate::journal::sqlite::transaction::Transaction;

/// The most operations in one transaction: nobody waits long, however many there are.
const BATCH: usize = 2048;

/// How many operations are done before their rows are added: enough for the widest statement.
const ROWS: usize = 32;

/// How long the writer waits for the next one that is about to ask.
const MOMENT: Duration = Duration::from_micros(50);

/// How much may have happened before the table of the sagas that are awake is brought up to date.
const UNLISTED: usize = 4096;

/// A thread that writes. Dropping this waits until everything is written and the file is closed.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Operation>>,
    thread: Option<JoinHandle<()>>,
    commits: Arc<AtomicU64>,
}

impl Writer {
    /// Takes the journal for this process, and opens it.
    pub(super) async fn open(path: PathBuf, pages: Option<u32>) -> Result<Self, JournalError> {
        let (queue, ops) = mpsc::channel();
        let (opened, is_open) = oneshot::channel();
        let commits = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&commits);
        let writing = move || write_all(&path, pages, &ops, opened, counter);
        let thread = thread::Builder::new()
            .name("saga-journal-write".to_owned())
            .spawn(writing)
            .map_err(JournalError::unavailable)?;
        is_open.await.unwrap_or(Err(JournalError::Closed))?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
            commits,
        })
    }

    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    pub(super) fn send(&self, op: Operation) -> Result<(), JournalError> {
        let queue = self.queue.as_ref().ok_or(JournalError::Closed)?;
        queue.send(op).map_err(|_| JournalError::Closed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // It does not panic; and if it did, its transaction was rolled back.
            let _ = thread.join();
        }
    }
}

/// Opens the journal, and writes until nobody asks any more.
fn write_all(
    path: &Path,
    pages: Option<u32>,
    ops: &Receiver<Operation>,
    opened: oneshot::Sender<Result<(), JournalError>>,
    commits: Arc<AtomicU64>,
) {
    let opening =
        FileLock::take(path).and_then(|owner| Ok((owner, connection::to_write(path, pages)?)));
    // The file is closed before another process may have it.
    let (_owner, connection) = match opening {
        Ok(opening) => opening,
        Err(error) => {
            let _ = opened.send(Err(error));
            return;
        }
    };
    match Transaction::new(&connection) {
        Ok(store) => {
            let _ = opened.send(Ok(()));
            Batch { store, commits }.run(ops);
        }
        Err(error) => {
            let _ = opened.send(Err(JournalError::unavailable(error)));
        }
    }
}

/// The operations of one transaction.
struct Taken {
    /// Those that were taken before.
    batch: VecDeque<Operation>,
    done: Vec<(Operation, OperationResult)>,
    /// How many of them have added their rows.
    added: usize,
    /// Those that have to wait for the transaction.
    deferred: VecDeque<Operation>,
    /// The one that can't be written.
    failed: Option<Operation>,
}

impl Taken {
    fn count(&self) -> usize {
        self.done.len() + self.deferred.len()
    }

    /// Where there may be more to write in the transaction.
    fn more<'a>(&self, ops: Option<&'a Receiver<Operation>>) -> Option<&'a Receiver<Operation>> {
        ops.filter(|_| self.count() < BATCH)
    }

    /// What is left for the next transaction.
    fn left(mut self) -> VecDeque<Operation> {
        self.deferred.extend(self.batch);
        self.deferred
    }
}

struct Batch<'c> {
    store: Transaction<'c>,
    commits: Arc<AtomicU64>,
}

impl Batch<'_> {
    fn run(mut self, ops: &Receiver<Operation>) {
        // Whoever was just answered is about to ask again: to be woken up for that would take longer than a moment.
        while let Some(first) = soon(ops).or_else(|| ops.recv().ok()) {
            let mut batch = VecDeque::from([first]);
            while !batch.is_empty() {
                batch = self.write(batch, Some(ops));
                if self.store.held.awake.unlisted() >= UNLISTED {
                    self.list_awake();
                }
            }
        }
        self.list_awake();
        // Others find one file, and all of it in there. If that fails, the next one to open the journal does it.
        let truncated = "PRAGMA wal_checkpoint(TRUNCATE)";
        let _ = self.store.connection.query_row(truncated, [], |_| Ok(()));
    }

    /// Writes these operations and those that come meanwhile in one transaction, and answers all of them. Hands back those
    /// that have to wait for it.
    fn write(
        &mut self,
        batch: VecDeque<Operation>,
        ops: Option<&Receiver<Operation>>,
    ) -> VecDeque<Operation> {
        if let Err(error) = self.begin() {
            for op in batch {
                op.fail(&error);
            }
            return VecDeque::new();
        }
        let mut taken = Taken {
            batch,
            done: Vec::new(),
            added: 0,
            deferred: VecDeque::new(),
            failed: None,
        };
        if let Err(error) = self.fill(&mut taken, ops) {
            self.roll_back();
            let these = mem::take(&mut taken.done).into_iter().map(|(op, _)| op);
            let mut these: Vec<_> = these.chain(taken.failed.take()).collect();
            if these.len() == 1
                && let Some(op) = these.pop()
            {
                op.fail(&error);
            }
            // One that can't be written must not harm the others: each by itself.
            for op in these {
                self.write(VecDeque::from([op]), None);
            }
            return taken.left();
        }
        match self.execute("COMMIT") {
            Ok(()) => {
                self.committed();
                answer_all(mem::take(&mut taken.done));
            }
            Err(error) => {
                self.roll_back();
                for (op, _) in taken.done.drain(..) {
                    op.fail(&error);
                }
            }
        }
        taken.left()
    }

    /// Does everything that is to be written in one transaction.
    fn fill(
        &mut self,
        taken: &mut Taken,
        ops: Option<&Receiver<Operation>>,
    ) -> rusqlite::Result<()> {
        loop {
            let next = taken.batch.pop_front();
            let next = next.or_else(|| taken.more(ops)?.try_recv().ok());
            let op = if let Some(op) = next {
                op
            } else {
                // Rows are added while nobody asks.
                self.add_rows(taken)?;
                match taken.more(ops).and_then(|ops| self.soon(taken, ops)) {
                    Some(op) => op,
                    None => return Ok(()),
                }
            };
            if op.reads_memory() {
                self.add_rows(taken)?;
            }
            match op.apply(&mut self.store) {
                Ok(Some(outcome)) => taken.done.push((op, outcome)),
                // Nothing overtakes a claim: after a crash there may be many sagas to go on with, and the first of them would
                // hold up the others.
                Ok(None) if matches!(op, Operation::Claim { .. }) => {
                    taken.deferred.push_back(op);
                    return Ok(());
                }
                Ok(None) => taken.deferred.push_back(op),
                Err(error) => {
                    taken.failed = Some(op);
                    return Err(error);
                }
            }
            if taken.done.len() - taken.added >= ROWS {
                self.add_rows(taken)?;
            }
        }
    }

    /// What is asked in a moment. The sagas that were just answered are about to ask again: as long as more of them come,
    /// it is worth waiting for, because each transaction waits for the disk.
    fn soon(&self, taken: &Taken, ops: &Receiver<Operation>) -> Option<Operation> {
        let is_more_expected = taken.count() < self.store.held.len();
        is_more_expected.then(|| soon(ops)).flatten()
    }

    /// Adds the rows of what was done since the last time.
    fn add_rows(&mut self, taken: &mut Taken) -> rusqlite::Result<()> {
        let these = taken.done.get_mut(taken.added..).unwrap_or_default();
        self.store.add_rows(these)?;
        taken.added = taken.done.len();
        Ok(())
    }

    /// What was written is durable: memory follows.
    fn committed(&mut self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.store.held.committed();
    }

    fn begin(&mut self) -> rusqlite::Result<()> {
        self.store.now = SystemTime::now();
        self.execute("BEGIN IMMEDIATE")
    }

    fn roll_back(&mut self) {
        self.store.held.rolled_back();
        // SQLite may have rolled back by itself.
        if !self.store.connection.is_autocommit() {
            let _ = self.execute("ROLLBACK");
        }
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.store
            .connection
            .prepare_cached(sql)?
            .execute([])
            .map(|_| ())
    }

    /// Brings the table of the sagas that are awake up to date. If that fails, later.
    fn list_awake(&mut self) {
        if self.store.held.awake.unlisted() == 0 {
            return;
        }
        let written = self
            .begin()
            .and_then(|()| self.store.list_awake())
            .and_then(|()| self.execute("COMMIT"));
        match written {
            Ok(()) => self.committed(),
            Err(_) => self.roll_back(),
        }
    }
}

/// The next operation, if it comes within a moment. Looks again and again and does not sleep: to be woken up would take
/// longer than the moment.
fn soon(ops: &Receiver<Operation>) -> Option<Operation> {
    let began = Instant::now();
    while began.elapsed() < MOMENT {
        if let Ok(op) = ops.try_recv() {
            return Some(op);
        }
        thread::yield_now();
    }
    None
}
