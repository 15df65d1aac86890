//! Failures of called sagas that the body handles: each is recorded as the refusal of the call, in the saga that has called.

use crate::engines::journaled::recorder::Suspension;
use crate::engines::journaled::{Journaled, call};
use crate::error::Reason;
use crate::journal::history::NextCall;
use crate::journal::{Event, StepCall};
use crate::language::ReadError;
use crate::meta::StepMeta;
use crate::place::{Calls, Position};

impl Journaled {
    /// Notes the failure of the saga `callee`, or gives the recorded one. See [`Engine::handle_failure`].
    ///
    /// A call of a saga has a number in its lane only if its failure is recorded.
    ///
    /// [`Engine::handle_failure`]: crate::run::Engine::handle_failure
    pub(super) fn note_handled(
        &self,
        calls: &dyn Calls,
        callee: &'static StepMeta,
        failure: Option<Reason>,
        read: ReadError<'_>,
    ) -> Result<Option<Reason>, Suspension> {
        let saga = call(Position::new(calls, callee, calls.count()));
        if let Some(reason) = self.history.refusal(&saga) {
            self.take_refusal(calls, &saga)?;
            let error = reason.error.as_deref().unwrap_or_default();
            read(error).map_err(|unread| {
                self.unreadable_at(&saga, format_args!("error of `{saga}`"), unread)
            })?;
            return Ok(Some(reason.clone()));
        }
        let (None, Some(reason)) = (self.history.decision(), failure) else {
            return Ok(None);
        };
        let numbers = self.advance(saga.lane(), 1);
        if let NextCall::Changed { recorded } = self.history.next(numbers.clone(), &saga) {
            return Err(self.other_call(numbers.start, &saga, recorded));
        }
        self.may_go_on(numbers.start, &saga)?;
        self.recorder.begin_effect()?;
        self.recorder.note(Event::StepRefused {
            step: saga,
            attempts: 1,
            reason: reason.clone(),
        });
        Ok(Some(reason))
    }

    /// Takes the number of a recorded failure. Members of a group share the numbers of the group.
    fn take_refusal(&self, calls: &dyn Calls, called: &StepCall) -> Result<(), Suspension> {
        if calls.group().is_some() {
            return Ok(());
        }
        let numbers = self.advance(called.lane(), 1);
        if let NextCall::Changed { recorded } = self.history.next(numbers.clone(), called) {
            return Err(self.other_call(numbers.start, called, recorded));
        }
        self.is_in_order(numbers.start, called)
    }

    /// Checks that the body has made every recorded call, as far as none runs at the same time as this lane.
    pub(super) fn replayed_up_to(&self, lane: &str) -> Result<(), Suspension> {
        if self.unreplayed.may_go_on(lane) {
            return Ok(());
        }
        let made = |lane: &str| self.cursors.get(lane);
        match self.unreplayed.first(&self.history, made, Some(lane)) {
            Some((number, recorded)) => Err(self.ends_before(number, recorded)),
            None => Ok(()),
        }
    }
}
