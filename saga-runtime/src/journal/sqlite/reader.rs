//! The reader thread.

use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread;

use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use crate::journal::JournalError;
use crate::journal::sqlite::connection;
use crate::journal::sqlite::presence::Presence;
use crate::journal::sqlite::read::Read;

type Question = Box<dyn FnOnce(&Connection) + Send>;

/// A handle of a thread with a connection that only reads. The thread ends when all handles are dropped.
#[derive(Clone)]
pub(super) struct Reader {
    questions: mpsc::Sender<Question>,
    presence: Arc<Presence>,
}

impl Reader {
    pub(super) async fn open(
        path: PathBuf,
        presence: Arc<Presence>,
        threads: &TaskTracker,
    ) -> Result<Self, JournalError> {
        presence.check()?;
        let (questions, queue) = mpsc::channel::<Question>();
        let (opened, is_open) = oneshot::channel();
        let running = threads.token();
        let reading = move || {
            // Dropped last: the connection is closed then.
            let _running = running;
            match connection::to_read(&path) {
                Ok(connection) => {
                    let _ = opened.send(Ok(()));
                    for question in queue {
                        question(&connection);
                    }
                }
                Err(error) => {
                    let _ = opened.send(Err(error));
                }
            }
        };
        thread::Builder::new()
            .name("saga-journal-read".to_owned())
            .spawn(reading)
            .map_err(JournalError::unavailable)?;
        is_open.await.unwrap_or(Err(JournalError::Closed))?;
        presence.check()?;
        Ok(Self {
            questions,
            presence,
        })
    }

    /// Asks the thread a question, and waits for the answer.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(Read<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, JournalError> {
        let (reply, answer) = oneshot::channel();
        let question = move |connection: &Connection| {
            let _ = reply.send(question(Read(connection)));
        };
        self.questions
            .send(Box::new(question))
            .map_err(|_| JournalError::Closed)?;
        let answer = answer.await.map_err(|_| JournalError::Closed)?;
        // An answer from a file that was replaced is worth nothing.
        self.presence.check()?;
        answer.map_err(JournalError::unavailable)
    }
}
