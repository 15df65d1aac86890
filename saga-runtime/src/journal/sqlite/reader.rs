//! The thread that reads.

use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::journal::JournalError;
use crate::journal::sqlite::connection;
use crate::journal::sqlite::read::Read;

type Question = Box<dyn FnOnce(&Connection) + Send>;

/// A thread with a connection that only reads. It ends when this is dropped.
pub(super) struct Reader(mpsc::Sender<Question>);

impl Reader {
    pub(super) async fn open(path: PathBuf) -> Result<Self, JournalError> {
        let (questions, queue) = mpsc::channel::<Question>();
        let (opened, is_open) = oneshot::channel();
        let reading = move || match connection::to_read(&path) {
            Ok(connection) => {
                let _ = opened.send(Ok(()));
                for question in queue {
                    question(&connection);
                }
            }
            Err(error) => {
                let _ = opened.send(Err(error));
            }
        };
        thread::Builder::new()
            .name("saga-journal-read".to_owned())
            .spawn(reading)
            .map_err(JournalError::unavailable)?;
        is_open.await.unwrap_or(Err(JournalError::Closed))?;
        Ok(Self(questions))
    }

    /// Asks something, and waits for the answer.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(Read<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, JournalError> {
        let (reply, answer) = oneshot::channel();
        let question = move |connection: &Connection| {
            let _ = reply.send(question(Read(connection)));
        };
        self.0
            .send(Box::new(question))
            .map_err(|_| JournalError::Closed)?;
        let answer = answer.await.map_err(|_| JournalError::Closed)?;
        answer.map_err(JournalError::unavailable)
    }
}
