//! The operations of operators: cancel, retry, resolve, skip, complete, abandon, purge. Each decision is recorded with its
//! reason.

use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;

use crate::coordinator::error::OperatorError;
use crate::coordinator::inspection::{Inspection, Inspector};
use crate::coordinator::{Coordinator, Shared};
use crate::id::SagaId;
use crate::journal::history::ReplayState;
use crate::journal::{
    AppendError, Claimed, ClaimedOne, Damage, Entry, Event, Filter, JournalError, Page, State,
    StepCall,
};
use crate::language::json_of;
use crate::telemetry;

/// The effect of a command that a coordinator has accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// The decision is recorded and stands.
    Done,
    /// The request is recorded. It is heard when the attempt under way has ended, or when the saga is claimed the next time.
    Requested,
}

/// The saga about which an operator decides.
pub(super) struct Subject {
    pub(super) state: State,
    pub(super) history: ReplayState,
    pub(super) damage: Option<Damage>,
    is_orderly: bool,
}

impl Subject {
    fn of_claimed(claimed: &Claimed) -> Self {
        Self::new(claimed.record.state, &claimed.entries, claimed.orderly)
    }

    pub(super) fn new(
        state: State,
        entries: &Result<Vec<Entry>, Damage>,
        is_orderly: bool,
    ) -> Self {
        let (entries, mut damage) = match entries {
            Ok(entries) => (entries, None),
            Err(damage) => (&damage.readable, Some(damage.clone())),
        };
        let history = ReplayState::new(entries).unwrap_or_else(|unclear| {
            damage.get_or_insert(unclear);
            ReplayState::of_readable(entries)
        });
        Self {
            state,
            history,
            damage,
            is_orderly,
        }
    }

    /// The history of a stuck saga that can be read.
    pub(super) fn stuck(self) -> Result<ReplayState, OperatorError> {
        if let Some(damage) = self.damage {
            return Err(damage.into());
        }
        if self.state != State::Stuck {
            return Err(OperatorError::NotStuck(self.state));
        }
        Ok(self.history)
    }

    /// The calls whose effects are not undone, or may be there.
    fn left(&self) -> Vec<String> {
        let left = self.history.left().map(ToString::to_string);
        let unknown = self.damage.is_some() || self.history.may_have_requested(self.is_orderly);
        left.chain(unknown.then(|| "?".to_owned())).collect()
    }
}

impl<S: ?Sized + Send + Sync + 'static> Coordinator<S> {
    /// Lists sagas page by page, the newest first. [`Record::condition`](crate::journal::Record::condition) tells apart
    /// the sagas that wait: for a worker, an event, a time, another attempt, or a definition that is not registered here.
    ///
    /// # Errors
    /// If the journal can't be read.
    pub async fn list(&self, filter: &Filter) -> Result<Page, JournalError> {
        let mut page = self.inspector().list(filter).await?;
        for record in &mut page.sagas {
            let saga = &record.saga;
            let definition = self.inner.definitions.get(&saga.name, saga.version);
            record.is_registered = Some(definition.is_some());
        }
        Ok(page)
    }

    /// Reads everything that is recorded about one saga. `None` if no saga has this id, which may be given as text.
    ///
    /// # Errors
    /// If the journal can't be read.
    pub async fn inspect(
        &self,
        id: impl TryInto<SagaId>,
    ) -> Result<Option<Inspection>, JournalError> {
        self.inspector().inspect(id).await
    }

    /// Returns an inspector of this coordinator's journal.
    #[must_use]
    pub fn inspector(&self) -> Inspector {
        Inspector::from_shared(Arc::clone(&self.inner.journal))
    }

    /// Cancels a saga in any process: the current attempt ends, then the steps that were done are compensated. A saga
    /// that waits for a slot is compensated when it gets one. A saga that is stuck on its way forward goes on, but only to be
    /// compensated.
    ///
    /// After [`Effect::Done`] the saga does not complete: it is compensated. After [`Effect::Requested`] it is compensated as
    /// well, unless the pivot is under way and succeeds, or the process that runs the saga hears of the request too late.
    ///
    /// # Errors
    /// If no saga has this id, or it has ended or is past its pivot, or the journal can't be reached.
    /// [`OperatorError::Stuck`] if the saga is stuck on its way back, or its body can't run.
    pub async fn cancel(
        &self,
        id: impl TryInto<SagaId>,
        reason: &str,
    ) -> Result<Effect, OperatorError> {
        let id = id.try_into().map_err(|_| OperatorError::Unknown)?;
        self.inner.cancel(&id, reason).await
    }

    /// Resumes a stuck saga: failed compensations are tried again, a step in doubt is settled again, and a changed
    /// definition is compared again. Returns when the decision is recorded; the saga continues when it gets a slot.
    ///
    /// # Errors
    /// If the saga is not stuck, or the journal can't be reached.
    pub async fn retry(
        &self,
        id: impl TryInto<SagaId>,
        reason: &str,
    ) -> Result<Effect, OperatorError> {
        let id = id.try_into().map_err(|_| OperatorError::Unknown)?;
        let reason = reason.to_owned();
        self.inner
            .apply_decision(id, move |subject| {
                subject.stuck().map(|_| Event::Retried { reason })
            })
            .await
    }

    /// Records that an operator has undone a step of a stuck saga by hand. The saga continues with the remaining
    /// compensations.
    ///
    /// `step` is the durable name as [`inspect`](Self::inspect) shows it: `reserve` for the first call, `reserve#1` for
    /// the second, `pack/reserve#1` if the saga `pack` made the call.
    ///
    /// # Errors
    /// If the step is neither in doubt nor has its compensation failed, or the saga is not stuck, or the journal can't
    /// be reached.
    pub async fn resolve_compensation(
        &self,
        id: impl TryInto<SagaId>,
        step: &str,
        reason: &str,
    ) -> Result<Effect, OperatorError> {
        let id = id.try_into().map_err(|_| OperatorError::Unknown)?;
        let (step, reason) = (step.to_owned(), reason.to_owned());
        let resolved = move |subject: Subject| {
            open_call(&subject.stuck()?, &step)
                .map(|step| Event::CompensationResolved { step, reason })
        };
        self.inner.apply_decision(id, resolved).await
    }

    /// Records that the effect of a step of a stuck saga stays. The saga continues with the remaining compensations,
    /// and lists the step as [skipped](Inspection::skipped) forever.
    ///
    /// # Errors
    /// Like [`resolve_compensation`](Self::resolve_compensation).
    pub async fn skip_compensation(
        &self,
        id: impl TryInto<SagaId>,
        step: &str,
        reason: &str,
    ) -> Result<Effect, OperatorError> {
        let id = id.try_into().map_err(|_| OperatorError::Unknown)?;
        let (step, reason) = (step.to_owned(), reason.to_owned());
        let skipped = move |subject: Subject| {
            open_call(&subject.stuck()?, &step)
                .map(|step| Event::CompensationSkipped { step, reason })
        };
        self.inner.apply_decision(id, skipped).await
    }

    /// Records that a step in doubt of a stuck saga was done, with this output. If the step is the pivot, the saga then
    /// goes forward. Any other step is compensated with the rest.
    ///
    /// # Errors
    /// If the step is not in doubt, or the saga is not stuck, or the journal can't be reached.
    pub async fn complete_step(
        &self,
        id: impl TryInto<SagaId>,
        step: &str,
        output: &(impl Serialize + Sync),
        reason: &str,
    ) -> Result<Effect, OperatorError> {
        let id = id.try_into().map_err(|_| OperatorError::Unknown)?;
        let output = json_of(output).map_err(OperatorError::Output)?;
        let (step, reason) = (step.to_owned(), reason.to_owned());
        let completed = move |subject: Subject| {
            let history = subject.stuck()?;
            let (name, occurrence) = parse_step(&step);
            let call = history.in_doubt(name, occurrence);
            let step = call
                .cloned()
                .ok_or_else(|| nothing_to_decide(&history, &step))?;
            Ok(Event::StepCompleted {
                step,
                output,
                reason,
            })
        };
        self.inner.apply_decision(id, completed).await
    }

    /// Ends a saga as it is, whatever its state: nothing of it runs any more, and nothing more is undone. If the saga runs in this
    /// process, the attempt under way ends first.
    ///
    /// The saga is then [`Abandoned`](State::Abandoned). Its last entry says for ever which effects are not undone, and callers
    /// get [`ExecuteError::Abandoned`](crate::ExecuteError::Abandoned). [`purge`](Self::purge) removes it like any other saga that
    /// has ended.
    ///
    /// # Errors
    /// If no saga has this id, or it has ended, or another worker holds it, or the journal can't be reached.
    ///
    /// # Cancel safety
    /// Once polled, the call takes effect also if the future is dropped.
    pub async fn abandon(
        &self,
        id: impl TryInto<SagaId>,
        reason: &str,
    ) -> Result<Effect, OperatorError> {
        let id = id.try_into().map_err(|_| OperatorError::Unknown)?;
        let reason = reason.to_owned();
        self.inner
            .decide_at_once(id, |subject| {
                let left = subject.left();
                Ok(Event::Abandoned { reason, left })
            })
            .await
    }

    /// Removes sagas that ended before this time, and returns their number. Open and stuck sagas stay.
    ///
    /// The journal forgets the ids of removed sagas: starting one again runs it again. A large removal does not block
    /// running sagas.
    ///
    /// # Errors
    /// If the journal can't be reached. Some sagas may have been removed by then.
    ///
    /// # Cancel safety
    /// A dropped call may have removed some of the sagas. It is safe to repeat the call.
    pub async fn purge(&self, before: SystemTime) -> Result<u64, JournalError> {
        self.inner.journal.purge(before).await
    }
}

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
            let claimed = inner.journal.claim_one(&inner.lease, &id).await;
            let claimed = match inner.note_lost_claims(claimed)? {
                ClaimedOne::Claimed(claimed) => *claimed,
                ClaimedOne::Held(worker) if worker == inner.lease.worker => {
                    return Err(OperatorError::NotStuck(State::Running));
                }
                ClaimedOne::Held(worker) => return Err(OperatorError::Held(worker)),
                ClaimedOne::Final(state) => return Err(OperatorError::Final(state)),
                ClaimedOne::Unknown => return Err(OperatorError::Unknown),
            };
            inner.decide(claimed, decide).await
        })
        .await
    }

    /// Like [`apply_decision`](Self::apply_decision), for a saga in any state.
    async fn decide_at_once(
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
        &self,
        mut claimed: Claimed,
        decide: impl FnOnce(Subject) -> Result<Event, OperatorError>,
    ) -> Result<Effect, OperatorError> {
        let id = claimed.claim.id.clone();
        let decided = match decide(Subject::of_claimed(&claimed)) {
            Ok(event) => self.append_decision(&mut claimed, event).await,
            Err(refused) => Err(refused),
        };
        let has_ended = matches!(decided, Ok(State::Abandoned));
        self.release_taken(claimed).await;
        if has_ended {
            telemetry::abandoned(&id);
            self.waiters.drop_sender(&id);
            self.waiters.wake(&id);
        }
        decided.map(|_| Effect::Done)
    }

    /// Appends an operator's decision. Returns the state that follows.
    async fn append_decision(
        &self,
        claimed: &mut Claimed,
        event: Event,
    ) -> Result<State, OperatorError> {
        let state = claimed.record.state.after(&event);
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
        claimed.orderly = false;
        Ok(state)
    }
}

/// Splits `charge#1` into `charge` and 1. Without a number, the occurrence is 0.
fn parse_step(step: &str) -> (&str, usize) {
    match step.rsplit_once('#') {
        Some((name, occurrence)) => match occurrence.parse() {
            Ok(occurrence) => (name, occurrence),
            Err(_) => (step, 0),
        },
        None => (step, 0),
    }
}

/// Finds the call of a step that needs an operator's decision: in doubt, or with a failed compensation.
fn open_call(history: &ReplayState, step: &str) -> Result<StepCall, OperatorError> {
    let (name, occurrence) = parse_step(step);
    let call = history
        .failed(name, occurrence)
        .or_else(|| history.in_doubt(name, occurrence));
    call.cloned()
        .ok_or_else(|| nothing_to_decide(history, step))
}

fn nothing_to_decide(history: &ReplayState, step: &str) -> OperatorError {
    let open: Vec<_> = history.open().map(ToString::to_string).collect();
    OperatorError::NothingToDecide {
        step: step.to_owned(),
        open: if open.is_empty() {
            "none".to_owned()
        } else {
            open.join(", ")
        },
    }
}
