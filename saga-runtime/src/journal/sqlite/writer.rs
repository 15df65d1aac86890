//! The writer thread: it owns the file while the journal is open. `batch.rs` has its transactions.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use crate::journal::JournalError;
use crate::journal::sqlite::batch::Batches;
use crate::journal::sqlite::connection;
use crate::journal::sqlite::file_lock::FileLock;
use crate::journal::sqlite::operation::Operation;
use crate::journal::sqlite::transaction::Transaction;

/// A handle of the writer thread. The drop waits until everything is written and the file is closed.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Operation>>,
    thread: Option<JoinHandle<()>>,
    commits: Arc<AtomicU64>,
}

impl Writer {
    /// Takes the journal for this process, and opens it.
    pub(super) async fn open(path: PathBuf, pages: Option<u32>) -> Result<Self, JournalError> {
        let (queue, operations) = mpsc::channel();
        let (opened, is_open) = oneshot::channel();
        let commits = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&commits);
        let writing = move || write_all(&path, pages, &operations, opened, counter);
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

    pub(super) fn send(&self, operation: Operation) -> Result<(), JournalError> {
        let queue = self.queue.as_ref().ok_or(JournalError::Closed)?;
        queue.send(operation).map_err(|_| JournalError::Closed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // The thread does not panic; and if it did, its transaction was rolled back.
            let _ = thread.join();
        }
    }
}

/// Opens the journal, and writes until all senders of operations are gone.
fn write_all(
    path: &Path,
    pages: Option<u32>,
    operations: &Receiver<Operation>,
    opened: oneshot::Sender<Result<(), JournalError>>,
    commits: Arc<AtomicU64>,
) {
    let opening =
        FileLock::take(path).and_then(|lock| Ok((lock, connection::to_write(path, pages)?)));
    // The connection is dropped first: the file is closed before another process may have it.
    let (_lock, connection) = match opening {
        Ok(opening) => opening,
        Err(error) => {
            let _ = opened.send(Err(error));
            return;
        }
    };
    match Transaction::new(&connection) {
        Ok(transaction) => {
            let _ = opened.send(Ok(()));
            Batches::new(transaction, commits).run(operations);
        }
        Err(error) => {
            let _ = opened.send(Err(JournalError::unavailable(error)));
        }
    }
}
