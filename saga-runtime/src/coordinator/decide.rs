//! The decisions of operators: each is one entry, appended under a claim.

use std::sync::Arc;
use std::time::Duration;

use crate::coordinator::Shared;
use crate::coordinator::error::OperatorError;
use crate::coordinator::operator::Effect;
use crate::coordinator::subject::Subject;
use crate::coordinator::takeover::PAUSES;
use crate::id::SagaId;
use crate::journal::{AppendError, Claimed, ClaimedOne, Entry, Event, NewSaga, State, Wakeup};
use crate::lock::lock;
use crate::telemetry;

impl<S: ?Sized + Send + Sync + 'static> Shared<S> {
    /// Claims a stuck saga, appends the operator's decision, and releases the saga. It takes no slot: the saga continues
    /// when it gets one.
    pub(super) async fn apply_decision(
        self: &Arc<Self>,
        id: SagaId,
        decide: impl FnOnce(Subject) -> Result<Event, OperatorError> + Send + 'static,
    ) -> Result<Effect, OperatorError> {
        if let Some(stopped) = self.stopped() {
            return Err(stopped.into());
        }
        let inner = Arc::clone(self);
        self.detached(async move {
            let claimed = inner.take_stuck(&id).await?;
            inner.decide(claimed, decide).await
        })
        .await
    }

    /// Claims a stuck saga. A worker that holds it runs it, or decides about it.
    async fn take_stuck(&self, id: &SagaId) -> Result<Claimed, OperatorError> {
        for pause in 0..PAUSES {
            let claimed = self.journal.claim_one(&self.lease, id).await;
            match self.note_lost_claims(claimed)? {
                ClaimedOne::Claimed(claimed) => return Ok(*claimed),
                ClaimedOne::Held(worker) if worker == self.lease.worker => {
                    return Err(OperatorError::NotStuck(State::Running));
                }
                ClaimedOne::Held(_) => match self.state(id).await? {
                    State::Stuck => tokio::time::sleep(Duration::from_millis(pause)).await,
                    State::Waiting => {}
                    state if state.is_final() => return Err(OperatorError::Final(state)),
                    state => return Err(OperatorError::NotStuck(state)),
                },
                ClaimedOne::Final(state) => return Err(OperatorError::Final(state)),
                ClaimedOne::Unknown => return Err(OperatorError::Unknown),
            }
        }
        Err(OperatorError::TakenOver)
    }

    /// Like [`apply_decision`](Self::apply_decision), for a saga in any state.
    pub(super) async fn decide_at_once(
        self: &Arc<Self>,
        id: SagaId,
        decide: impl FnOnce(Subject) -> Result<Event, OperatorError> + Send + 'static,
    ) -> Result<Effect, OperatorError> {
        if let Some(stopped) = self.stopped() {
            return Err(stopped.into());
        }
        let inner = Arc::clone(self);
        self.detached(async move {
            let claimed = inner.take(&id).await?;
            inner.decide(claimed, decide).await
        })
        .await
    }

    /// Appends the event that `decide` returns, and releases the claim.
    async fn decide(
        self: &Arc<Self>,
        mut claimed: Claimed,
        decide: impl FnOnce(Subject) -> Result<Event, OperatorError>,
    ) -> Result<Effect, OperatorError> {
        let id = claimed.claim.id.clone();
        let subject = Subject::of_claimed(&claimed);
        let is_undone_by_record = subject.history.is_undone_by_record();
        let event = decide(subject).map_err(|refused| match refused {
            OperatorError::NotStuck(state) if !is_undone_by_record => {
                self.why_it_rests(&claimed.record.saga, state)
            }
            refused => refused,
        });
        let goes_back = is_undone_by_record || matches!(event, Ok(Event::Compensating { .. }));
        let decided = match event {
            Ok(event) => self.append_decision(&mut claimed, event).await,
            Err(refused) => Err(refused),
        };
        let has_ended = matches!(decided, Ok(State::Abandoned));
        if decided.is_ok() && goes_back && !has_ended {
            // No dispatcher claims a saga that is not registered.
            self.undo_taken(claimed);
        } else {
            // A saga about which nothing was decided goes on to rest.
            let rest = match decided {
                Ok(_) => Wakeup::Now,
                Err(_) => claimed.rest_again(),
            };
            self.release_taken(claimed, rest).await;
        }
        if has_ended {
            telemetry::abandoned(&id);
            self.waiters.drop_sender(&id);
        }
        if decided.is_ok() {
            lock(&self.misfits).remove(&id);
            // A caller may wait for this decision.
            self.waiters.wake(&id);
        }
        decided.map(|_| Effect::Done)
    }

    /// The refusal to decide about a saga that is not stuck: it goes on by itself, unless this process knows that it does not.
    fn why_it_rests(&self, saga: &NewSaga, state: State) -> OperatorError {
        if let Some(misfit) = lock(&self.misfits).get(&saga.id) {
            return misfit.clone().into();
        }
        let is_registered = self.definitions.get(&saga.name, saga.version).is_some();
        // One that has no code at all knows nothing of the service.
        if is_registered || self.definitions.versions().is_empty() {
            return OperatorError::NotStuck(state);
        }
        OperatorError::NotRegistered {
            name: saga.name.clone(),
            version: saga.version,
        }
    }

    /// Appends an operator's decision. Returns the state that follows.
    async fn append_decision(
        &self,
        claimed: &mut Claimed,
        event: Event,
    ) -> Result<State, OperatorError> {
        let state = claimed.record.state.after(&event);
        let entry = Entry {
            seq: claimed.next,
            at: self.policies.clock.now(),
            event: event.clone(),
        };
        let appended = self
            .journal
            .append(&claimed.claim, claimed.next, vec![event]);
        appended.await.map_err(|error| match error {
            AppendError::Journal(error) => error.into(),
            AppendError::Fenced { .. } | AppendError::NotContiguous { .. } => {
                OperatorError::TakenOver
            }
        })?;
        // The saga may be stuck at a step whose answer was lost. No entry says so, so treat the release as not orderly.
        claimed.orderly &= claimed.record.state != State::Stuck;
        claimed.next += 1;
        claimed.recoveries = 0;
        match &mut claimed.entries {
            Ok(entries) => entries.push(entry),
            Err(damage) => damage.readable.push(entry),
        }
        Ok(state)
    }
}
