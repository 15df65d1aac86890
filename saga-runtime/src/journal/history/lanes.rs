//! The lanes of a history: the saga itself, and each saga that it has called. Which calls are in them, and which of them have failed.

use std::borrow::Cow;
use std::collections::HashSet;
use std::iter::successors;

use crate::call_name;
use crate::journal::StepCall;
use crate::journal::history::ReplayState;
use crate::journal::history::outcome::StepOutcome;

impl ReplayState {
    /// Returns whether a call may be compensated although the whole saga goes forward: a call has failed in its body, or in one
    /// around that, and the body may handle the failure.
    pub(super) fn may_be_handled(&self, step: &StepCall) -> bool {
        let is_failed = |lane| self.failed_lanes.contains(lane);
        !self.failed_lanes.is_empty() && outwards(step.lane()).any(is_failed)
    }

    /// Returns whether the failure of the saga that has this lane, or of one around it, is recorded: the body that has called that
    /// one handles the failure, and nothing begins in it any more.
    pub(crate) fn has_failed_part(&self, lane: &str) -> bool {
        let is_refused = |lane: &str| {
            let (name, occurrence) = call_name::split(lane);
            let key = (Cow::Owned(name.to_owned()), u32::try_from(occurrence).ok()?);
            let known = self.calls.get(&key).map(|index| &self.steps[*index]);
            known.map(|one| matches!(one.outcome, StepOutcome::Refused { .. }))
        };
        !self.failed_lanes.is_empty()
            && outwards(lane)
                .filter(|lane| !lane.is_empty())
                .any(|lane| is_refused(lane).unwrap_or(false))
    }

    /// The lanes in which steps were called, and how many.
    pub(crate) fn lanes(&self) -> impl Iterator<Item = (&str, usize)> {
        let lanes = self.lanes.iter();
        lanes.map(|(lane, steps)| (lane.as_str(), steps.len()))
    }

    /// The number of calls with an outcome in this lane.
    pub(crate) fn calls_in(&self, lane: &str) -> usize {
        self.lanes.get(lane).map_or(0, Vec::len)
    }

    /// The paths of the called sagas of which steps are recorded.
    pub(crate) fn called_sagas(&self) -> HashSet<String> {
        let failing = self.failing.values().map(|failing| failing.step.lane());
        let attempted = self.attempted().map(StepCall::lane);
        let lanes = self.lanes.keys().map(String::as_str);
        let lanes = lanes.chain(failing).chain(attempted);
        let called = lanes.flat_map(outwards).filter(|lane| !lane.is_empty());
        called.map(str::to_owned).collect()
    }
}

/// This lane, and those around it, up to that of the saga itself.
fn outwards(lane: &str) -> impl Iterator<Item = &str> {
    successors(Some(lane), |lane| {
        let outer = lane.rsplit_once('/').map_or("", |(outer, _)| outer);
        (!lane.is_empty()).then_some(outer)
    })
}
