//! The thread that writes: everything that waits is written in one transaction.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::oneshot;

use super::op::Op;
use super::open;
use super::owner::Owner;
use super::store::Store;
use crate::journal::JournalError;

/// The most operations in one transaction: nobody waits long, however many there are.
const BATCH: usize = 2048;

/// How long the writer waits for the next one that is about to ask.
const MOMENT: Duration = Duration::from_micros(50);

/// How much may have happened before the table of the sagas that are awake is brought up to date.
const UNLISTED: usize = 4096;

/// A thread that writes. Dropping this waits until everything is written and the file is closed.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Op>>,
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

    pub(super) fn send(&self, op: Op) -> Result<(), JournalError> {
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
    ops: &Receiver<Op>,
    opened: oneshot::Sender<Result<(), JournalError>>,
    commits: Arc<AtomicU64>,
) {
    let opening = Owner::take(path).and_then(|owner| Ok((owner, open::to_write(path, pages)?)));
    // The file is closed before another process may have it.
    let (_owner, connection) = match opening {
        Ok(opening) => opening,
        Err(error) => {
            let _ = opened.send(Err(error));
            return;
        }
    };
    match Store::new(&connection) {
        Ok(store) => {
            let _ = opened.send(Ok(()));
            Writing { store, commits }.run(ops);
        }
        Err(error) => {
            let _ = opened.send(Err(JournalError::unavailable(error)));
        }
    }
}

struct Writing<'c> {
    store: Store<'c>,
    commits: Arc<AtomicU64>,
}

impl Writing<'_> {
    fn run(mut self, ops: &Receiver<Op>) {
        while let Ok(first) = ops.recv() {
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
    fn write(&mut self, mut batch: VecDeque<Op>, ops: Option<&Receiver<Op>>) -> VecDeque<Op> {
        if let Err(error) = self.begin() {
            for op in batch {
                op.fail(&error);
            }
            return VecDeque::new();
        }
        let mut done = Vec::new();
        let mut deferred = VecDeque::new();
        loop {
            let next = batch.pop_front();
            let taken = done.len() + deferred.len();
            let Some(op) = next.or_else(|| self.next(ops?, taken)) else {
                break;
            };
            match op.apply(&mut self.store) {
                Ok(Some(outcome)) => done.push((op, outcome)),
                Ok(None) => deferred.push_back(op),
                Err(error) => {
                    self.roll_back();
                    if done.is_empty() {
                        op.fail(&error);
                    } else {
                        // One that can't be written must not harm the others: each by itself.
                        let others = done.into_iter().map(|(op, _)| op);
                        for op in others.chain([op]) {
                            self.write(VecDeque::from([op]), None);
                        }
                    }
                    deferred.extend(batch);
                    return deferred;
                }
            }
        }
        match self.execute("COMMIT") {
            Ok(()) => {
                self.committed();
                for (op, outcome) in done {
                    op.answer(outcome);
                }
            }
            Err(error) => {
                self.roll_back();
                for (op, _) in done {
                    op.fail(&error);
                }
            }
        }
        deferred
    }

    /// What else is to be written in a transaction of so many. The sagas that were just answered are about to ask again: as
    /// long as more of them come, it is worth a moment, because each transaction waits for the disk.
    fn next(&self, ops: &Receiver<Op>, taken: usize) -> Option<Op> {
        if taken >= BATCH {
            return None;
        }
        let is_more_expected = taken < self.store.held.len();
        ops.try_recv()
            .ok()
            .or_else(|| is_more_expected.then(|| soon(ops)).flatten())
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
fn soon(ops: &Receiver<Op>) -> Option<Op> {
    let began = Instant::now();
    while began.elapsed() < MOMENT {
        if let Ok(op) = ops.try_recv() {
            return Some(op);
        }
        thread::yield_now();
    }
    None
}
