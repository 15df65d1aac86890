//! The operations of operators: cancel, retry, resolve, skip, complete, drop an event, abandon, purge. Each decision is recorded with its
//! reason.

use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;

use crate::coordinator::Coordinator;
use crate::coordinator::error::OperatorError;
use crate::coordinator::inspection::{Inspection, Inspector};
use crate::coordinator::subject::Subject;
use crate::error::Reason;
use crate::id::SagaId;
use crate::journal::history::{BY_RECORD, DROPPED_BY_HAND, NOTHING_REQUESTED, ReplayState};
use crate::journal::{
    Event, Filter, Journal, JournalError, NewSaga, Page, Record, State, StepCall,
};
use crate::language::json_of;
use crate::lock::lock;
use crate::shape::Shape;

/// The effect of a command that a coordinator has accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// The decision is recorded and stands.
    Done,
    /// The request is recorded. It is heard when the attempt under way has ended, or when the saga is claimed the next time.
    Requested,
}

impl<S: ?Sized + Send + Sync + 'static> Coordinator<S> {
    /// Lists sagas page by page, the newest first. [`Record::condition`](crate::journal::Record::condition) tells apart
    /// the sagas that wait: for a worker, an event, a time, another attempt, or a definition that is not registered here, or that
    /// does not [fit](Self::misfits).
    ///
    /// # Errors
    /// If the journal can't be read.
    pub async fn list(&self, filter: &Filter) -> Result<Page, JournalError> {
        let mut page = self.inspector().list(filter).await?;
        for record in &mut page.sagas {
            self.describe(record);
        }
        Ok(page)
    }

    /// Adds to a record what only this process knows: if its definition is registered here, and if it fits.
    pub(crate) fn describe(&self, record: &mut Record) {
        let saga = &record.saga;
        let definition = self.inner.definitions.get(&saga.name, saga.version);
        record.is_registered = Some(definition.is_some());
        let misfits = lock(&self.inner.misfits);
        record.misfit = misfits.get(&saga.id).map(|misfit| misfit.code.clone());
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

    /// Lists the shapes of the registered sagas, by name.
    #[must_use]
    pub fn shapes(&self) -> Vec<Shape> {
        self.inner.definitions.shapes()
    }

    /// Returns whether the code of this call in a saga is known here.
    pub(crate) fn has_code(&self, saga: &NewSaga, call: &StepCall) -> bool {
        let steps = &self.inner.definitions.steps;
        steps.find((&saga.name, saga.version), call).is_some()
    }

    pub(crate) fn as_journal(&self) -> &dyn Journal {
        &*self.inner.journal
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
    /// [`OperatorError::Stuck`] if the saga is stuck on its way back, or its body can't run. [`OperatorError::Misfit`] if it does not
    /// fit its definition.
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

    /// Records that an operator has undone a step by hand: one whose compensation has failed, or is tried again, or that is in doubt.
    /// The saga continues with the remaining compensations. If it runs, the attempt under way ends first.
    ///
    /// `step` is the durable name as [`inspect`](Self::inspect) shows it: `reserve` for the first call, `reserve#1` for
    /// the second, `pack/reserve#1` if the saga `pack` made the call.
    ///
    /// # Errors
    /// [`OperatorError::NothingToDecide`] if the saga is stuck, and [`OperatorError::NotStuck`] if it is not, and nothing of this
    /// kind is true of the step. If a process holds the saga that the journal does not reach, or the
    /// journal can't be reached.
    pub async fn resolve_compensation(
        &self,
        id: impl TryInto<SagaId>,
        step: &str,
        reason: &str,
    ) -> Result<Effect, OperatorError> {
        let id = id.try_into().map_err(|_| OperatorError::Unknown)?;
        let (step, reason) = (step.to_owned(), reason.to_owned());
        let resolved = move |subject: Subject| {
            let step = subject.decided(&step, ReplayState::undoable)?;
            Ok(Event::CompensationResolved { step, reason })
        };
        self.inner.decide_at_once(id, resolved).await
    }

    /// Records that the effect of such a step stays. The saga continues with the remaining compensations, and lists the step as
    /// [skipped](Inspection::skipped) forever.
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
            let step = subject.decided(&step, ReplayState::undoable)?;
            Ok(Event::CompensationSkipped { step, reason })
        };
        self.inner.decide_at_once(id, skipped).await
    }

    /// Records that a step was done, with this output: one that is tried again, or whose attempts are used up, or that is in doubt.
    /// The saga then goes on behind the step. Only a step that is not the pivot and was given up in doubt is compensated with the rest.
    /// An output that was given by hand can be corrected, as long as nothing has followed from it. If the saga runs,
    /// the attempt under way ends first; if it succeeds, its own output stands.
    ///
    /// # Errors
    /// [`OperatorError::Unreadable`] if the type of the step can't read the output. [`OperatorError::UnknownStep`] if its code is not
    /// known here: it is a step of no registered saga, and is not [registered](crate::coordinator::Builder::register_step) by itself,
    /// or its name stands for several steps. [`OperatorError::GoesBack`] if the step can't be
    /// undone, and the saga is being undone: [`skip_compensation`](Self::skip_compensation) records that the effect stays.
    /// [`OperatorError::NothingToDecide`] if the saga is stuck, and [`OperatorError::NotStuck`] if it is not, and the step is none of
    /// these. If a process holds the saga that the journal does not reach, or the journal can't be reached.
    pub async fn complete_step(
        &self,
        id: impl TryInto<SagaId>,
        step: &str,
        output: &(impl Serialize + Sync),
        reason: &str,
    ) -> Result<Effect, OperatorError> {
        let id = id.try_into().map_err(|_| OperatorError::Unknown)?;
        let inner = Arc::clone(&self.inner);
        let checked = move |saga: &str, version, call: &StepCall, output: &str| {
            let step = call.to_string();
            match inner.definitions.steps.find((saga, version), call) {
                None => Err(OperatorError::UnknownStep { step }),
                Some(known) => {
                    let read = known.can_read(output);
                    read.map_err(|error| OperatorError::Unreadable { step, error })
                }
            }
        };
        self.complete(id, step, output, reason, checked).await
    }

    /// Like [`complete_step`](Self::complete_step), for an operator without the code of the saga: nothing checks the output.
    pub(crate) async fn complete_step_unchecked(
        &self,
        id: SagaId,
        step: &str,
        output: &(impl Serialize + Sync),
        reason: &str,
    ) -> Result<Effect, OperatorError> {
        let unchecked = |_: &str, _, _: &StepCall, _: &str| Ok(());
        self.complete(id, step, output, reason, unchecked).await
    }

    async fn complete(
        &self,
        id: SagaId,
        step: &str,
        output: &(impl Serialize + Sync),
        reason: &str,
        check: impl FnOnce(&str, u32, &StepCall, &str) -> Result<(), OperatorError> + Send + 'static,
    ) -> Result<Effect, OperatorError> {
        let output = json_of(output).map_err(OperatorError::Output)?;
        let (step, reason) = (step.to_owned(), reason.to_owned());
        let completed = move |subject: Subject| {
            let (saga, version) = (subject.saga.clone(), subject.version);
            let goes_back = subject.history.decision().is_some();
            let call = subject.decided(&step, ReplayState::completable)?;
            if goes_back && call.kind.closes_the_way_back() {
                return Err(OperatorError::GoesBack { step });
            }
            check(&saga, version, &call, &output)?;
            let step = call;
            Ok(Event::StepCompleted {
                step,
                output,
                reason,
            })
        };
        self.inner.decide_at_once(id, completed).await
    }

    /// Drops an event that was sent to the saga, and that no wait has taken yet: the oldest one with this name. It is then
    /// [set aside](Inspection::set_aside) for ever, and the right one is sent like any other, also under the same key. If the saga
    /// runs in this process, the attempt under way ends first.
    ///
    /// # Errors
    /// [`OperatorError::NoEvent`] if the saga keeps no such event, which a wait may have taken meanwhile. [`OperatorError::Stuck`] if
    /// the saga is stuck. If another worker holds it, or the journal can't be reached.
    ///
    /// # Cancel safety
    /// Once polled, the call takes effect also if the future is dropped.
    pub async fn drop_event(
        &self,
        id: impl TryInto<SagaId>,
        event: &str,
        reason: &str,
    ) -> Result<Effect, OperatorError> {
        let id = id.try_into().map_err(|_| OperatorError::Unknown)?;
        let message = format!("{DROPPED_BY_HAND}{reason}");
        let name = event.to_owned();
        let dropped = move |subject: Subject| {
            let number = subject.kept_event(&name)?;
            let mut dropped = Event::EventSetAside {
                name: name.into(),
                number,
                message,
            };
            dropped.cut_text();
            Ok(dropped)
        };
        self.inner.decide_at_once(id, dropped).await
    }

    /// Undoes a saga from its record, without a run of its body: the steps that were done are compensated by their names and their
    /// recorded outputs, last first. It is the way back for a saga that is stuck because its definition has changed, because something
    /// recorded can't be read, or because entries are damaged, for one of which a [check](Self::check) has found that its definition has
    /// changed, and for one that is not registered.
    ///
    /// The saga's body does not run any more. A step is left for [`resolve_compensation`](Self::resolve_compensation) or
    /// [`skip_compensation`](Self::skip_compensation), and the saga is stuck until then, if
    /// * its code is gone: it belongs to no registered saga, and is not [registered](crate::coordinator::Builder::register_step) by
    ///   itself, or its name stands for several steps;
    /// * it is in doubt: its inputs are not recorded;
    /// * it may have been requested after the last entry that can be read. Nothing tells which one that is, so it is called `?`.
    ///
    /// A saga that is not registered is not continued by another process. Call `compensate` again there.
    ///
    /// # Errors
    /// [`OperatorError::PastPivot`] if a step is done that can't be undone. [`OperatorError::NotStuck`] if the saga goes on by itself.
    /// If no saga has this id, or it has ended, or a process holds it that the journal does not reach, or the journal can't be
    /// reached.
    pub async fn compensate(
        &self,
        id: impl TryInto<SagaId>,
        reason: &str,
    ) -> Result<Effect, OperatorError> {
        let id = id.try_into().map_err(|_| OperatorError::Unknown)?;
        let history = self.inner.journal.load(&id).await?;
        let history = history.ok_or(OperatorError::Unknown)?;
        let (state, saga) = (history.record.state, &history.record.saga);
        let was_stuck = state == State::Stuck;
        let is_open = !was_stuck && !state.is_final();
        let definition = self.inner.definitions.get(&saga.name, saga.version);
        if is_open && definition.is_some() && self.inner.misfit_at_rest(history).await.is_none() {
            return Err(OperatorError::NotStuck(state));
        }
        let message = reason.to_owned();
        let compensating = move |subject: Subject| {
            if was_stuck && subject.state != State::Stuck {
                // Another operator's decision was first.
                return Err(OperatorError::NotStuck(subject.state));
            }
            if subject.history.only_goes_forward() {
                return Err(OperatorError::PastPivot);
            }
            let error = (!subject.may_have_requested()).then(|| NOTHING_REQUESTED.to_owned());
            let reason = Reason {
                error,
                ..Reason::new(BY_RECORD, message)
            };
            let step = None;
            Ok(Event::Compensating { step, reason })
        };
        self.inner.decide_at_once(id, compensating).await
    }

    /// Ends a saga as it is, whatever its state: nothing of it runs any more, and nothing more is undone. If the saga runs,
    /// the attempt under way ends first.
    ///
    /// The saga is then [`Abandoned`](State::Abandoned). Its last entry says for ever which effects are not undone, and callers
    /// get [`ExecuteError::Abandoned`](crate::ExecuteError::Abandoned). [`purge`](Self::purge) removes it like any other saga that
    /// has ended.
    ///
    /// # Errors
    /// If no saga has this id, or it has ended, or a process holds it that the journal does not reach, or the journal can't be
    /// reached.
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
