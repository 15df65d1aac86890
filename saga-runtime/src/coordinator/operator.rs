//! The operations of operators: cancel, retry, resolve, skip, complete, purge. Each decision is recorded with its
//! reason.

use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;

use crate::attempts::Control;
use crate::coordinator::error::OperatorError;
use crate::coordinator::inspection::{Inspection, Inspector};
use crate::coordinator::{Coordinator, Shared};
use crate::id::SagaId;
use crate::journal::history::ReplayState;
use crate::journal::{
    AppendError, Claimed, ClaimedOne, Event, Filter, JournalError, Page, State, StepCall, Wakeup,
};
use crate::language::json_of;

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
    /// that waits for a slot is compensated when it gets one.
    ///
    /// # Errors
    /// If no saga has this id, or it has ended or is past its pivot, or the journal can't be reached.
    pub async fn cancel(
        &self,
        id: impl TryInto<SagaId>,
        reason: &str,
    ) -> Result<(), OperatorError> {
        let id = id.try_into().map_err(|_| OperatorError::Unknown)?;
        self.inner.cancel(&id, reason).await
    }

    /// Resumes a stuck saga: failed compensations are tried again, a step in doubt is settled again, and a changed
    /// definition is compared again. Returns when the decision is recorded; the saga continues when it gets a slot.
    ///
    /// # Errors
    /// If the saga is not stuck, or the journal can't be reached.
    pub async fn retry(&self, id: impl TryInto<SagaId>, reason: &str) -> Result<(), OperatorError> {
        let id = id.try_into().map_err(|_| OperatorError::Unknown)?;
        let reason = reason.to_owned();
        self.inner
            .apply_decision(id, move |_| Ok(Event::Retried { reason }))
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
    ) -> Result<(), OperatorError> {
        let id = id.try_into().map_err(|_| OperatorError::Unknown)?;
        let (step, reason) = (step.to_owned(), reason.to_owned());
        let resolved = move |history: &ReplayState| {
            open_call(history, &step).map(|step| Event::CompensationResolved { step, reason })
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
    ) -> Result<(), OperatorError> {
        let id = id.try_into().map_err(|_| OperatorError::Unknown)?;
        let (step, reason) = (step.to_owned(), reason.to_owned());
        let skipped = move |history: &ReplayState| {
            open_call(history, &step).map(|step| Event::CompensationSkipped { step, reason })
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
    ) -> Result<(), OperatorError> {
        let id = id.try_into().map_err(|_| OperatorError::Unknown)?;
        let output = json_of(output).map_err(OperatorError::Output)?;
        let (step, reason) = (step.to_owned(), reason.to_owned());
        let completed = move |history: &ReplayState| {
            let (name, occurrence) = parse_step(&step);
            let call = history.in_doubt(name, occurrence);
            let step = call
                .cloned()
                .ok_or_else(|| nothing_to_decide(history, &step))?;
            Ok(Event::StepCompleted {
                step,
                output,
                reason,
            })
        };
        self.inner.apply_decision(id, completed).await
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
    pub(super) async fn cancel(
        self: &Arc<Self>,
        id: &SagaId,
        reason: &str,
    ) -> Result<(), OperatorError> {
        let history = self.journal.load(id).await?.ok_or(OperatorError::Unknown)?;
        let state = history.record.state;
        if state.is_final() {
            return Err(OperatorError::Final(state));
        }
        let running = self.running().get(id).cloned();
        if ReplayState::new(&history.entries?)?.only_goes_forward()
            || running
                .as_ref()
                .is_some_and(|running| running.control.way_back().is_closed())
        {
            return Err(OperatorError::PastPivot);
        }
        if !self.journal.request_cancel(id, reason).await? {
            return Err(OperatorError::Unknown);
        }
        if let Some(running) = running {
            running.cancellation.cancel();
        }
        // The saga may sleep, or be about to: then the dispatcher claims it now.
        self.work.notify_one();
        Ok(())
    }

    /// Claims a stuck saga, appends the operator's decision, and releases the saga. It takes no slot: the saga continues
    /// when it gets one.
    async fn apply_decision(
        self: &Arc<Self>,
        id: SagaId,
        decide: impl FnOnce(&ReplayState) -> Result<Event, OperatorError> + Send + 'static,
    ) -> Result<(), OperatorError> {
        if let Some(stopped) = self.stopped() {
            return Err(stopped.into());
        }
        let deciding = Arc::clone(self).claim_and_decide(id, decide);
        self.detached(deciding).await
    }

    async fn claim_and_decide(
        self: Arc<Self>,
        id: SagaId,
        decide: impl FnOnce(&ReplayState) -> Result<Event, OperatorError> + Send,
    ) -> Result<(), OperatorError> {
        let claimed = self.journal.claim_one(&self.lease, &id).await;
        let mut claimed = match self.note_lost_claims(claimed)? {
            ClaimedOne::Claimed(claimed) => *claimed,
            ClaimedOne::Held(worker) => {
                if worker == self.lease.worker {
                    return Err(OperatorError::NotStuck(State::Running));
                }
                return Err(OperatorError::Held(worker));
            }
            ClaimedOne::Final(state) => return Err(OperatorError::Final(state)),
            ClaimedOne::Unknown => return Err(OperatorError::Unknown),
        };
        let decided = self.append_decision(&mut claimed, decide).await;
        let released = self
            .journal
            .release(&claimed.claim, !claimed.orderly, Wakeup::Now);
        if released.await.is_err() {
            self.abandoned().push(claimed.claim);
        }
        self.work.notify_one();
        decided
    }

    /// Appends the event that `decide` returns for this history.
    async fn append_decision(
        &self,
        claimed: &mut Claimed,
        decide: impl FnOnce(&ReplayState) -> Result<Event, OperatorError>,
    ) -> Result<(), OperatorError> {
        let entries = claimed.entries.as_ref().map_err(Clone::clone)?;
        if claimed.record.state != State::Stuck {
            return Err(OperatorError::NotStuck(claimed.record.state));
        }
        let event = decide(&ReplayState::new(entries)?)?;
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
        Ok(())
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
