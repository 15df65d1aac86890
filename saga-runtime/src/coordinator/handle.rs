//! The handle of a submitted saga: its state, its end, its cancellation.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::oneshot;

use crate::coordinator::answer::{Answer, decided_answer, recorded_answer};
use crate::coordinator::error::{ExecuteError, OperatorError, SubmitError};
use crate::coordinator::inspection::open_waits;
use crate::coordinator::operator::Effect;
use crate::coordinator::{Shared, Stopped};
use crate::id::SagaId;
use crate::journal::history::ReplayState;
use crate::journal::{History, JournalError, State};
use crate::meta::{Backoffs, RetryPolicy};
use crate::run::Saga;

const SHUTS_DOWN: &str = "the coordinator shuts down";

/// How long a caller whose limit is over waits for the journal to tell what is known.
const LAST_LOOK: Duration = Duration::from_secs(1);

/// How long a caller waits for the answer of its saga before it looks if that runs in another process: most sagas end soon.
const SOON: Duration = Duration::from_millis(50);

/// How long the typed answer of a saga that has ended here may take.
const AT_ONCE: Duration = Duration::from_millis(10);

/// The waits between the looks of a caller into the journal.
const POLLS: RetryPolicy =
    RetryPolicy::UNTIL_SUCCESS.backoff(Duration::from_millis(250), Duration::from_hours(1));

/// The handle of a saga on a [`Coordinator`](crate::Coordinator). Dropping the handle does not affect the saga.
#[must_use = "`wait` for the saga, or drop the handle if its end does not matter here"]
pub struct Handle<S: ?Sized + Send + Sync + 'static, G: Saga> {
    inner: Arc<Shared<S>>,
    id: SagaId,
    /// Receives the typed answer, if this call started the saga.
    answer: Option<oneshot::Receiver<Answer<G>>>,
    /// A transaction of the caller's starts it, which may not have committed.
    is_in_transaction: bool,
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
        Self {
            inner,
            id,
            answer,
            is_in_transaction: false,
        }
    }

    /// The handle of a saga that a transaction of the caller's starts.
    #[cfg(feature = "postgres")]
    pub(super) fn in_transaction(inner: Arc<Shared<S>>, id: SagaId) -> Self {
        Self {
            is_in_transaction: true,
            ..Self::new(inner, id, None)
        }
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
        let mut this = self;
        let mut answer = this.answer.take();
        if this.is_in_transaction {
            // It was just committed, and may be free.
            this.inner.work.notify_one();
        }
        if let Some(receiver) = &mut answer {
            match tokio::time::timeout(SOON, receiver).await {
                Ok(Ok(answer)) => return answer,
                // The saga does not run here.
                Ok(Err(_)) => answer = None,
                Err(_) => {}
            }
        }
        let mut polls = Polls::new();
        loop {
            let waiter = this.inner.waiters.wait(&this.id);
            let mut ended = pin!(waiter.ended.notified());
            // Enabled before the history is read, so that no end is missed.
            ended.as_mut().enable();
            let pause = polls.next(&this).await;
            let is_answered_here = answer.is_some() && this.runs_here();
            if !is_answered_here {
                let history = this.load().await?;
                if let Some(recorded) = recorded_answer::<G>(&history) {
                    // If it has ended here, the typed answer is about to come.
                    let Some(typed) = answer else { return recorded };
                    let typed = tokio::time::timeout(AT_ONCE, typed).await;
                    return typed.ok().and_then(Result::ok).unwrap_or(recorded);
                }
                this.still_runs(&history)?;
            }
            let Some(receiver) = &mut answer else {
                let _ = tokio::time::timeout(pause, ended).await;
                continue;
            };
            match tokio::time::timeout(pause, select(receiver, ended)).await {
                Ok(Either::Left((Ok(answer), _))) => return answer,
                Ok(Either::Left((Err(_), _))) => answer = None,
                // It was released, and another process may run it. That one can't answer here.
                Ok(Either::Right(_)) | Err(_) => {}
            }
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
        let mut this = Self::new(Arc::clone(&self.inner), self.id.clone(), None);
        this.is_in_transaction = self.is_in_transaction;
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
        let mut polls = Polls::new();
        loop {
            let waiter = self.inner.waiters.wait(&self.id);
            let mut decided = pin!(waiter.ended.notified());
            decided.as_mut().enable();
            let pause = polls.next(self).await;
            let history = self.load().await?;
            if let Some(answer) = decided_answer::<G>(&history) {
                return answer;
            }
            self.still_runs(&history)?;
            let _ = tokio::time::timeout(pause, decided).await;
        }
    }

    fn runs_here(&self) -> bool {
        self.inner.running().contains_key(&self.id)
    }

    async fn load(&self) -> Result<History, ExecuteError<G::Error>> {
        match self.inner.journal.load(&self.id).await {
            Ok(Some(history)) => Ok(history),
            Ok(None) if self.is_in_transaction => {
                let id = self.id.clone();
                Err(ExecuteError::NotStarted(SubmitError::NotCommitted { id }))
            }
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
            Some(Stopped::ShuttingDown) if !self.runs_here() => SHUTS_DOWN,
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

/// The looks of a caller into the journal, until its saga has ended. They are a safety net: the process that ends the saga tells
/// a caller that watches it.
struct Polls {
    is_watched: bool,
    waits: Backoffs,
}

impl Polls {
    fn new() -> Self {
        Self {
            is_watched: false,
            waits: POLLS.backoffs(),
        }
    }

    /// Watches the saga if it does not run here. Returns the longest time until the next look.
    async fn next<S: ?Sized + Send + Sync + 'static, G: Saga>(
        &mut self,
        handle: &Handle<S, G>,
    ) -> Duration {
        let longest = handle.inner.rhythm.third();
        if handle.runs_here() {
            return longest;
        }
        if !self.is_watched {
            // The look that follows reports what is wrong with the journal.
            self.is_watched = handle.inner.journal.watch(&handle.id).await.is_ok();
        }
        self.waits.next().unwrap_or(longest).min(longest)
    }
}
