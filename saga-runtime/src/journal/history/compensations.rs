//! The compensations of a saga that have ended, in order, and by their calls.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::error::CompensationOutcome;
use crate::journal::StepCall;

/// The ended compensations.
#[derive(Debug, Clone, Default)]
pub(super) struct Compensations {
    ended: Vec<(StepCall, CompensationOutcome)>,
    /// The index of the last one of each call, by its name and occurrence.
    by_call: HashMap<(Cow<'static, str>, u32), usize>,
}

impl Compensations {
    pub(super) fn push(&mut self, call: StepCall, outcome: CompensationOutcome) {
        let key = call.clone().into_key();
        self.by_call.insert(key, self.ended.len());
        self.ended.push((call, outcome));
    }

    /// The outcome of the compensation of a call.
    pub(super) fn get(&self, call: &StepCall) -> Option<&CompensationOutcome> {
        let index = self.by_call.get(&call.clone().into_key())?;
        Some(&self.ended[*index].1)
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&StepCall, &CompensationOutcome)> {
        self.ended.iter().map(|(call, outcome)| (call, outcome))
    }

    pub(super) fn find_failed(&mut self, call: &StepCall) -> Option<&mut CompensationOutcome> {
        let mut ended = self.ended.iter_mut();
        let failed = ended.find(|(one, outcome)| one == call && is_failed(outcome));
        failed.map(|(_, outcome)| outcome)
    }

    /// Forgets the failed ones.
    pub(super) fn forget_failed(&mut self) {
        self.ended.retain(|(_, outcome)| !is_failed(outcome));
        let keys = self.ended.iter().map(|(call, _)| call.clone().into_key());
        self.by_call = keys.zip(0..).collect();
    }
}

fn is_failed(outcome: &CompensationOutcome) -> bool {
    matches!(outcome, CompensationOutcome::Failed(_))
}
