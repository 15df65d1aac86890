//! The calls of a saga about which an operator can decide.

use std::borrow::Cow;

use crate::error::CompensationOutcome;
use crate::journal::StepCall;
use crate::journal::history::{RecordedCall, ReplayState, Way};
use crate::meta::{AttemptPhase, Kind};

impl ReplayState {
    /// The calls that an operator can decide about: steps in doubt, and compensations that have failed.
    pub(crate) fn open(&self) -> impl Iterator<Item = &StepCall> {
        let in_doubt = self.steps.iter().filter(|one| one.outcome.is_unsettled());
        let failed = self
            .compensations
            .iter()
            .filter(|(_, outcome)| matches!(outcome, CompensationOutcome::Failed(_)));
        let in_doubt = in_doubt.map(|one| &one.call);
        in_doubt.chain(failed.map(|(call, _)| call))
    }

    /// The calls that a stuck saga waits for. An operator decides about them, or their attempts fail.
    pub(crate) fn troubled(&self) -> impl Iterator<Item = &StepCall> {
        self.open()
            .chain(self.failing.values().map(|failing| &failing.step))
    }

    /// The calls about which an operator may decide something: those, and the one whose output was given by hand and can be corrected.
    pub(crate) fn decidable(&self) -> Vec<&StepCall> {
        let corrected = self.completed.map(|index| &self.steps[index].call);
        let mut calls: Vec<&StepCall> = Vec::new();
        for call in self.troubled().chain(corrected) {
            if !calls.contains(&call) {
                calls.push(call);
            }
        }
        calls
    }

    /// The call of a step in doubt that could not be settled.
    pub(crate) fn in_doubt(&self, step: &str, occurrence: usize) -> Option<&StepCall> {
        let index = self.unsettled(step, occurrence)?;
        Some(&self.steps[index].call)
    }

    /// The call of a step about whose compensation an operator can decide: it is in doubt, or its compensation has failed or fails.
    pub(crate) fn undoable(&self, step: &str, occurrence: usize) -> Option<&StepCall> {
        self.failed(step, occurrence)
            .or_else(|| self.in_doubt(step, occurrence))
            .or_else(|| self.retried(step, occurrence, Way::Backward))
    }

    /// The call of a step whose output an operator can give: it is in doubt, or its attempts fail, or it was completed by hand and
    /// nothing has followed.
    pub(crate) fn completable(&self, step: &str, occurrence: usize) -> Option<&StepCall> {
        match self.completable_index(step, occurrence) {
            Some(index) => Some(&self.steps[index].call),
            None => self.retried(step, occurrence, Way::Forward),
        }
    }

    /// The call of a step that is attempted again, in this direction, and has no outcome yet.
    pub(crate) fn retried(&self, step: &str, occurrence: usize, way: Way) -> Option<&StepCall> {
        let key: (Cow<'static, str>, u32) =
            (step.to_owned().into(), u32::try_from(occurrence).ok()?);
        let failing = self.failing.get(&key)?;
        let goes_back = failing.phase == AttemptPhase::Compensating;
        let is_it = match way {
            Way::Forward => !goes_back && !self.calls.contains_key(&key) && self.decision.is_none(),
            Way::Backward => goes_back && self.compensation(&failing.step).is_none(),
        };
        is_it.then_some(&failing.step)
    }

    /// Returns whether an operator can decide about this call, although the saga is not stuck.
    pub(super) fn is_decidable(&self, call: &StepCall) -> bool {
        let (name, occurrence) = (&*call.name, call.occurrence as usize);
        self.undoable(name, occurrence).is_some() || self.completable(name, occurrence).is_some()
    }

    /// Returns whether a pivot that has no outcome yet, or that is in doubt, may be done.
    pub(crate) fn may_have_done_pivot(&self) -> bool {
        let in_doubt = self.steps.iter().filter(|one| one.outcome.is_unsettled());
        let mut calls = in_doubt
            .map(|one| &one.call)
            .chain(self.attempted_in_doubt());
        calls.any(|call| call.kind == Kind::Pivot)
    }

    pub(super) fn completable_index(&self, step: &str, occurrence: usize) -> Option<usize> {
        let is_it = |call: &StepCall| call.name == step && call.occurrence as usize == occurrence;
        let completed = self
            .completed
            .filter(|index| is_it(&self.steps[*index].call));
        completed.or_else(|| self.unsettled(step, occurrence))
    }

    /// The call whose compensation has failed for good.
    pub(crate) fn failed(&self, step: &str, occurrence: usize) -> Option<&StepCall> {
        let is_it = |call: &StepCall| call.name == step && call.occurrence as usize == occurrence;
        let mut ended = self.compensations.iter();
        ended
            .find(|(call, outcome)| {
                is_it(call) && matches!(outcome, CompensationOutcome::Failed(_))
            })
            .map(|(call, _)| call)
    }

    pub(super) fn unsettled(&self, step: &str, occurrence: usize) -> Option<usize> {
        self.steps
            .iter()
            .position(|RecordedCall { call, outcome, .. }| {
                outcome.is_unsettled()
                    && call.name == step
                    && call.occurrence as usize == occurrence
            })
    }
}
