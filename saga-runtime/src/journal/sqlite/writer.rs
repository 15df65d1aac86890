//! The thread that writes: everything that waits is written in one transaction.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

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

/// How many sagas may have ended before their rows say so, and how long it takes if nothing else is to be written.
const CLOSED: usize = 4096;
const IDLE: Duration = Duration::from_millis(200);

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
        let writing = move || {
            let opening = Owner::take(&path).and_then(|owner| {
                let store = Store::new(open::to_write(&path, pages)?);
                store.note_all_closed().map_err(JournalError::unavailable)?;
                Ok((owner, store))
            });
            match opening {
                Ok((owner, store)) => {
                    let _ = opened.send(Ok(()));
                    Writing {
                        store,
                        commits: counter,
                    }
                    .run(&ops);
                    drop(owner);
                }
                Err(error) => {
                    let _ = opened.send(Err(error));
                }
            }
        };
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

struct Writing {
    store: Store,
    commits: Arc<AtomicU64>,
}

impl Writing {
    fn run(mut self, ops: &Receiver<Op>) {
        let mut batch = Vec::new();
        loop {
            match ops.recv_timeout(IDLE) {
                Ok(op) => batch.push(op),
                Err(RecvTimeoutError::Timeout) => {
                    self.close_rows();
                    match ops.recv() {
                        Ok(op) => batch.push(op),
                        Err(_) => break,
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.fill(&mut batch, ops);
            while !batch.is_empty() {
                batch = self.write(batch);
            }
            if self.store.held.closed().len() >= CLOSED {
                self.close_rows();
            }
        }
        self.close_rows();
        // Others find one file, and all of it in there. If that fails, the next one to open the journal does it.
        let truncated = "PRAGMA wal_checkpoint(TRUNCATE)";
        let _ = self.store.connection.query_row(truncated, [], |_| Ok(()));
    }

    /// Takes what else waits. The sagas that were just answered are about to ask again: as long as more of them come, it is
    /// worth a moment, because each transaction waits for the disk.
    fn fill(&self, batch: &mut Vec<Op>, ops: &Receiver<Op>) {
        let expected = self.store.held.len().min(BATCH);
        loop {
            while batch.len() < BATCH
                && let Ok(op) = ops.try_recv()
            {
                batch.push(op);
            }
            if batch.len() >= expected {
                return;
            }
            match soon(ops) {
                Some(op) => batch.push(op),
                None => return,
            }
        }
    }

    /// Writes operations in one transaction, and answers all of them. Hands back those that have to wait for it.
    fn write(&mut self, batch: Vec<Op>) -> Vec<Op> {
        if let Err(error) = self.begin() {
            for op in batch {
                op.fail(&error);
            }
            return Vec::new();
        }
        let mut done = Vec::with_capacity(batch.len());
        let mut deferred = Vec::new();
        let mut left = batch.into_iter();
        while let Some(op) = left.next() {
            if op.has_to_wait(&self.store) {
                deferred.push(op);
                continue;
            }
            match op.apply(&mut self.store) {
                Ok(outcome) => done.push((op, outcome)),
                Err(error) => {
                    self.roll_back();
                    if done.is_empty() {
                        op.fail(&error);
                    } else {
                        // One that can't be written must not harm the others: each by itself.
                        let others = done.into_iter().map(|(op, _)| op);
                        others.chain([op]).for_each(|op| drop(self.write(vec![op])));
                    }
                    deferred.extend(left);
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

    /// What was written is durable: memory follows.
    fn committed(&mut self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.store.held.committed();
    }

    fn begin(&mut self) -> rusqlite::Result<()> {
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

    /// Lets the rows of sagas that have ended say so. If that fails, later.
    fn close_rows(&mut self) {
        let count = self.store.held.closed().len();
        if count == 0 {
            return;
        }
        let written = self
            .begin()
            .and_then(|()| self.store.note_closed())
            .and_then(|()| self.execute("COMMIT"));
        match written {
            Ok(()) => {
                self.committed();
                self.store.held.forget_closed(count);
            }
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
