//! A saga that was submitted: to wait for, to ask after, to cancel.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::coordinator::answer::outcome;
use crate::coordinator::error::{ExecuteError, OperatorError};
use crate::coordinator::task::Answer;
use crate::coordinator::{Shared, Stopped};
use crate::id::SagaId;
use crate::journal::{JournalError, State};
use crate::run::Saga;

const SHUTS_DOWN: &str = "the coordinator shuts down";

/// A saga on a [`Coordinator`](crate::Coordinator). Dropping it changes nothing about the saga.
#[must_use = "`wait` for the saga, or drop the handle if nobody asks for its end"]
pub struct Handle<S: ?Sized + Send + Sync + 'static, G: Saga> {
    inner: Arc<Shared<S>>,
    id: SagaId,
    reply: Option<oneshot::Receiver<Answer<G>>>,
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
        reply: Option<oneshot::Receiver<Answer<G>>>,
    ) -> Self {
        Self { inner, id, reply }
    }

    /// The id of the saga.
    #[must_use]
    pub fn id(&self) -> &SagaId {
        &self.id
    }

    /// In which state the saga is. One that was [removed](crate::Coordinator::purge) meanwhile counts as completed.
    ///
    /// # Errors
    /// If the journal can't be read.
    pub async fn status(&self) -> Result<State, JournalError> {
        let history = self.inner.journal.load(&self.id).await?;
        // A saga that was removed had ended; in which way is not known any more.
        Ok(history.map_or(State::Completed, |history| history.record.state))
    }

    /// Cancels the saga: the current attempt ends, then what was done is compensated.
    ///
    /// # Errors
    /// If it has ended, or is past its pivot, or the journal can't be reached.
    pub async fn cancel(&self, reason: &str) -> Result<(), OperatorError> {
        self.inner.cancel(&self.id, reason).await
    }

    /// Waits for the end of the saga.
    ///
    /// # Errors
    /// [`ExecuteError`] if it did not complete, as far as this process knows.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing about the saga.
    pub async fn wait(self) -> Result<G::Output, ExecuteError<G::Error>> {
        let mut reply = self.reply;
        let in_progress = |why: &str| ExecuteError::InProgress {
            id: self.id.clone(),
            why: why.to_owned(),
        };
        loop {
            if let Some(answer) = &mut reply {
                // Another process may run it, if it had to wait: hence the limit.
                match tokio::time::timeout(self.inner.poll_interval, answer).await {
                    Ok(Ok(answer)) => return answer,
                    // It does not run here.
                    Ok(Err(_)) => reply = None,
                    Err(_) if self.inner.running().contains_key(&self.id) => continue,
                    Err(_) => {}
                }
            }
            let waiting = self.inner.waiters.enter(&self.id);
            let mut ended = pin!(waiting.ended.notified());
            // From here on no end is missed: what is written down is read after this.
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
            if let Some(answer) = outcome::<G>(&history) {
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
            if reply.is_some() {
                continue;
            }
            // The saga may run in another process, which tells nobody here: hence the limit.
            let _ = tokio::time::timeout(self.inner.poll_interval, ended).await;
        }
    }
}
