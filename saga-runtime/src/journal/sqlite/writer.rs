//! The writer thread: it owns the file while the journal is open. `batch.rs` has its transactions.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use crate::journal::JournalError;
use crate::journal::sqlite::batch::Batches;
use crate::journal::sqlite::connection::{self, Size};
use crate::journal::sqlite::descriptor;
use crate::journal::sqlite::file_lock::FileLock;
use crate::journal::sqlite::integrity::failed;
use crate::journal::sqlite::location;
use crate::journal::sqlite::operation::Operation;
use crate::journal::sqlite::options::SqliteOptions;
use crate::journal::sqlite::presence::Presence;
use crate::journal::sqlite::room;
use crate::journal::sqlite::transaction::Transaction;

/// A handle of the writer thread. The drop waits until everything is written and the file is closed.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Operation>>,
    thread: Option<JoinHandle<()>>,
    commits: Arc<AtomicU64>,
}

/// A journal that was opened to be written.
struct OpenFile {
    // In the order of the drop: the file is closed before another process may have it.
    connection: Connection,
    size: Size,
    presence: Arc<Presence>,
    _lock: FileLock,
    is_new: bool,
}

/// An answer to the caller that opens a journal.
pub(super) struct Opened {
    pub(super) writer: Writer,
    pub(super) presence: Arc<Presence>,
    /// The journal was created.
    pub(super) is_new: bool,
}

impl Writer {
    /// Takes the journal at this path, which is [resolved](super::location::resolve), for this process, and opens it.
    pub(super) async fn open(
        path: &Path,
        options: &SqliteOptions,
        threads: &TaskTracker,
    ) -> Result<Opened, JournalError> {
        let (queue, operations) = mpsc::channel();
        let (opened, is_open) = oneshot::channel();
        let commits = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&commits);
        let (path, options) = (path.to_owned(), options.clone());
        let running = threads.token();
        let writing = move || {
            // Dropped last: the file is free then.
            let _running = running;
            let file = match OpenFile::open(&path, &options) {
                Ok(file) => file,
                Err(error) => {
                    let _ = opened.send(Err(error));
                    return;
                }
            };
            write_all(&file, &operations, opened, counter);
        };
        let thread = thread::Builder::new()
            .name("saga-journal-write".to_owned())
            .spawn(writing)
            .map_err(JournalError::unavailable)?;
        let (presence, is_new) = is_open.await.unwrap_or(Err(JournalError::Closed))?;
        Ok(Opened {
            writer: Self {
                queue: Some(queue),
                thread: Some(thread),
                commits,
            },
            presence,
            is_new,
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

impl OpenFile {
    fn open(path: &Path, options: &SqliteOptions) -> Result<Self, JournalError> {
        let missing = || JournalError::Missing {
            journal: path.display().to_string(),
        };
        let descriptor = descriptor::of(path, !options.must_exist).map_err(|error| {
            let is_missing = error.kind() == std::io::ErrorKind::NotFound && options.must_exist;
            if is_missing {
                missing()
            } else {
                JournalError::unavailable(error)
            }
        })?;
        let lock = FileLock::take(path, &descriptor)?;
        location::check_other_names(path)?;
        let is_new = path.metadata().is_ok_and(|file| file.len() == 0);
        if is_new && options.must_exist {
            return Err(missing());
        }
        let (connection, size) = connection::to_write(path, options.max_pages)?;
        let presence = Presence::new(path, descriptor);
        // SQLite has opened the file that is locked, and not one that has just taken its place.
        presence.check()?;
        presence.note_wal();
        Ok(Self {
            connection,
            size,
            presence: Arc::new(presence),
            _lock: lock,
            is_new,
        })
    }
}

/// Writes until all senders of operations are gone.
fn write_all(
    file: &OpenFile,
    operations: &Receiver<Operation>,
    opened: oneshot::Sender<Result<(Arc<Presence>, bool), JournalError>>,
    commits: Arc<AtomicU64>,
) {
    let connection = &file.connection;
    let opening = Transaction::new(connection, file.size).or_else(|error| {
        // The log of an earlier process may take the room that is needed.
        if room::is_full(&error) && room::empty_log(connection) {
            Transaction::new(connection, file.size)
        } else {
            Err(error)
        }
    });
    match opening {
        Ok(transaction) => {
            let presence = Arc::clone(&file.presence);
            let _ = opened.send(Ok((Arc::clone(&presence), file.is_new)));
            Batches::new(transaction, presence, commits).run(operations);
        }
        Err(error) => {
            let _ = opened.send(Err(failed(error)));
        }
    }
}
