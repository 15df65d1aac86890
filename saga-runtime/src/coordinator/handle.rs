//! The handle of a submitted saga: its state, its end, its cancellation.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::coordinator::answer::{Answer, recorded_answer};
use crate::coordinator::error::{ExecuteError, OperatorError};
use crate::coordinator::operator::Effect;
use crate::coordinator::{Shared, Stopped};
use crate::id::SagaId;
use crate::journal::{JournalError, State};
use crate::run::Saga;

const SHUTS_DOWN: &str = "the coordinator shuts down";

/// The handle of a saga on a [`Coordinator`](crate::Coordinator). Dropping the handle does not affect the saga.
#[must_use = "`wait` for the saga, or drop the handle if its end does not matter here"]
pub struct Handle<S: ?Sized + Send + Sync + 'static, G: Saga> {
    inner: Arc<Shared<S>>,
    id: SagaId,
    /// Receives the typed answer, if this call started the saga.
    answer: Option<oneshot::Receiver<Answer<G>>>,
}

impl<S: ?Sized + Send + Sync + 'static, G: Saga> fmt::Debug for Handle<S, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("saga", &G::META.name)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl<S: ?Sized + Send + Sync + 'static, G: Saga> Handle<S, G> {
    pub(super) fn new(
        inner: Arc<Shared<S>>,
        id: SagaId,
        answer: Option<oneshot::Receiver<Answer<G>>>,
    ) -> Self {
        Self { inner, id, answer }
    }

    /// The id of the saga.
    #[must_use]
    pub fn id(&self) -> &SagaId {
        &self.id
    }

    /// Reads the state of the saga. A saga that was [removed](crate::Coordinator::purge) meanwhile counts as completed.
    ///
    /// # Errors
    /// If the journal can't be read.
    pub async fn status(&self) -> Result<State, JournalError> {
        let history = self.inner.journal.load(&self.id).await?;
        // A removed saga had ended, but the journal no longer knows how.
        Ok(history.map_or(State::Completed, |history| history.record.state))
    }

    /// Cancels the saga, like [`Coordinator::cancel`](crate::Coordinator::cancel).
    ///
    /// # Errors
    /// Like [`Coordinator::cancel`](crate::Coordinator::cancel).
    pub async fn cancel(&self, reason: &str) -> Result<Effect, OperatorError> {
        self.inner.cancel(&self.id, reason).await
    }

    /// Waits for the end of the saga and returns its output.
    ///
    /// # Errors
    /// [`ExecuteError`] if the saga did not complete, or this process can't learn its end.
    ///
    /// # Cancel safety
    /// Cancel-safe: dropping the future does not affect the saga.
    pub async fn wait(self) -> Result<G::Output, ExecuteError<G::Error>> {
        let mut answer = self.answer;
        let in_progress = |why: &str| ExecuteError::InProgress {
            id: self.id.clone(),
            why: why.to_owned(),
        };
        loop {
            if let Some(receiver) = &mut answer {
                // If the saga had to wait for a slot, another process may run it and can't answer here, so poll.
                match tokio::time::timeout(self.inner.poll_interval, receiver).await {
                    Ok(Ok(answer)) => return answer,
                    // The saga does not run here.
                    Ok(Err(_)) => answer = None,
                    Err(_) if self.inner.running().contains_key(&self.id) => continue,
                    Err(_) => {}
                }
            }
            let waiter = self.inner.waiters.wait(&self.id);
            let mut ended = pin!(waiter.ended.notified());
            // Enabled before the history is read, so that no end is missed.
            ended.as_mut().enable();
            let history = match self.inner.journal.load(&self.id).await {
                Ok(Some(history)) => history,
                Ok(None) => {
                    return Err(in_progress("it has ended and was removed from the journal"));
                }
                // At the end of a shutdown.
                Err(JournalError::Closed) if self.inner.stopped().is_some() => {
                    return Err(in_progress(SHUTS_DOWN));
                }
                Err(error) => return Err(error.into()),
            };
            if let Some(answer) = recorded_answer::<G>(&history) {
                return answer;
            }
            match self.inner.stopped() {
                Some(Stopped::ShuttingDown) if !self.inner.running().contains_key(&self.id) => {
                    return Err(in_progress(SHUTS_DOWN));
                }
                Some(Stopped::RuntimeEnded) => {
                    return Err(in_progress("the runtime of the coordinator has ended"));
                }
                _ => {}
            }
            if answer.is_some() {
                continue;
            }
            // Another process may run the saga and cannot wake us, so poll.
            let _ = tokio::time::timeout(self.inner.poll_interval, ended).await;
        }
    }
}
