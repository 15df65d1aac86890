//! The handle of a submitted saga: its state, its end, its cancellation.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::coordinator::answer::{Answer, decided_answer, recorded_answer};
use crate::coordinator::error::{ExecuteError, OperatorError};
use crate::coordinator::inspection::open_waits;
use crate::coordinator::operator::Effect;
use crate::coordinator::{Shared, Stopped};
use crate::id::SagaId;
use crate::journal::history::ReplayState;
use crate::journal::{History, JournalError, State};
use crate::run::Saga;

const SHUTS_DOWN: &str = "the coordinator shuts down";

/// How long a caller whose limit is over waits for the journal to tell what is known.
const LAST_LOOK: Duration = Duration::from_secs(1);

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

    /// Reads the state of the saga, and nothing of its history. `None` if the saga was
    /// [removed](crate::Coordinator::purge) meanwhile: it had ended.
    ///
    /// # Errors
    /// If the journal can't be read.
    pub async fn status(&self) -> Result<Option<State>, JournalError> {
        let record = self.inner.journal.record(&self.id).await?;
        Ok(record.map(|record| record.state))
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
    pub async fn wait(self) -> Answer<G> {
        let Self { inner, id, answer } = self;
        let (mut answer, this) = (answer, Self::new(inner, id, None));
        loop {
            if let Some(receiver) = &mut answer {
                // If the saga had to wait for a slot, another process may run it and can't answer here, so poll.
                match tokio::time::timeout(this.inner.poll_interval, receiver).await {
                    Ok(Ok(answer)) => return answer,
                    // The saga does not run here.
                    Ok(Err(_)) => answer = None,
                    Err(_) if this.inner.running().contains_key(&this.id) => continue,
                    Err(_) => {}
                }
            }
            let waiter = this.inner.waiters.wait(&this.id);
            let mut ended = pin!(waiter.ended.notified());
            // Enabled before the history is read, so that no end is missed.
            ended.as_mut().enable();
            let history = this.load().await?;
            if let Some(answer) = recorded_answer::<G>(&history) {
                return answer;
            }
            this.still_runs(&history)?;
            if answer.is_some() {
                continue;
            }
            // Another process may run the saga and cannot wake us, so poll.
            let _ = tokio::time::timeout(this.inner.poll_interval, ended).await;
        }
    }

    /// Like [`wait`](Self::wait), but waits at most for `limit`. The saga goes on after that.
    ///
    /// # Errors
    /// As those of [`wait`](Self::wait). [`ExecuteError::InProgress`] after the limit: it says what is known.
    ///
    /// # Cancel safety
    /// Cancel-safe: dropping the future does not affect the saga.
    pub async fn wait_within(self, limit: Duration) -> Answer<G> {
        self.wait_at_most(limit, limit).await
    }

    /// Waits for what is `left` of a limit.
    pub(super) async fn wait_at_most(self, left: Duration, limit: Duration) -> Answer<G> {
        let this = Self::new(Arc::clone(&self.inner), self.id.clone(), None);
        if let Ok(ended) = tokio::time::timeout(left, self.wait()).await {
            return ended;
        }
        let why = format!("it has not ended within {limit:?}");
        let Ok(history) = tokio::time::timeout(LAST_LOOK, this.load()).await else {
            return Err(this.in_progress(why, None));
        };
        let history = history?;
        recorded_answer::<G>(&history).unwrap_or_else(|| Err(this.in_progress(why, Some(&history))))
    }

    /// Waits until the saga has completed, or has failed: the caller need not wait for the compensations. Every caller
    /// gets the saga's error as a later caller of [`wait`](Self::wait) does.
    ///
    /// # Errors
    /// [`ExecuteError::Compensating`] if the saga has failed and is being undone. Otherwise as those of
    /// [`wait`](Self::wait).
    ///
    /// # Cancel safety
    /// Cancel-safe: dropping the future does not affect the saga.
    pub async fn decided(&self) -> Answer<G> {
        loop {
            let waiter = self.inner.waiters.wait(&self.id);
            let mut decided = pin!(waiter.ended.notified());
            decided.as_mut().enable();
            let history = self.load().await?;
            if let Some(answer) = decided_answer::<G>(&history) {
                return answer;
            }
            self.still_runs(&history)?;
            let _ = tokio::time::timeout(self.inner.poll_interval, decided).await;
        }
    }

    async fn load(&self) -> Result<History, ExecuteError<G::Error>> {
        match self.inner.journal.load(&self.id).await {
            Ok(Some(history)) => Ok(history),
            Ok(None) => Err(ExecuteError::Removed {
                id: self.id.clone(),
            }),
            // At the end of a shutdown.
            Err(JournalError::Closed) if self.inner.stopped().is_some() => {
                Err(self.in_progress(SHUTS_DOWN, None))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Checks that this process may still learn the end.
    fn still_runs(&self, history: &History) -> Result<(), ExecuteError<G::Error>> {
        let why = match self.inner.stopped() {
            Some(Stopped::ShuttingDown) if !self.inner.running().contains_key(&self.id) => {
                SHUTS_DOWN
            }
            Some(Stopped::RuntimeEnded) => "the runtime of the coordinator has ended",
            _ => return Ok(()),
        };
        Err(self.in_progress(why, Some(history)))
    }

    fn in_progress(
        &self,
        why: impl Into<String>,
        known: Option<&History>,
    ) -> ExecuteError<G::Error> {
        let entries = known.and_then(|history| history.entries.as_ref().ok());
        let state = entries.and_then(|entries| ReplayState::new(entries).ok());
        ExecuteError::InProgress {
            id: self.id.clone(),
            why: why.into(),
            state: known.map(|history| history.record.state),
            waits: state.as_ref().map(open_waits).unwrap_or_default(),
        }
    }
}
