//! The cursor of the replay in each lane: in the saga itself, and in each saga that it has called.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use crate::call_name;
use crate::engines::journaled::recorder::Suspension;
use crate::engines::journaled::{Journaled, call};
use crate::journal::StepCall;
use crate::lock::lock;
use crate::place::{Calls, Doubt, Group, Position};

/// The number of calls in each lane.
#[derive(Debug, Default)]
pub(super) struct Cursors {
    /// In the saga itself: most call no other.
    outermost: AtomicUsize,
    inside: Mutex<BTreeMap<String, usize>>,
}

impl Cursors {
    pub(super) fn get(&self, lane: &str) -> usize {
        if lane.is_empty() {
            return self.outermost.load(Ordering::Relaxed);
        }
        self.lock().get(lane).copied().unwrap_or(0)
    }

    /// The numbers of the next `count` calls in a lane.
    fn advance(&self, lane: &str, count: usize) -> Range<usize> {
        if lane.is_empty() {
            let from = self.outermost.fetch_add(count, Ordering::Relaxed);
            return from..from + count;
        }
        let mut cursors = self.lock();
        let cursor = match cursors.get_mut(lane) {
            Some(cursor) => cursor,
            None => cursors.entry(lane.to_owned()).or_default(),
        };
        let from = *cursor;
        *cursor += count;
        from..*cursor
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        lock(&self.inside)
    }
}

impl Journaled {
    /// The numbers that a call may have in its lane. Members of a group share the numbers of the group.
    pub(super) fn numbers(&self, position: Position<'_>) -> Range<usize> {
        let calls = position.calls();
        match calls.group() {
            Some(group) => group.numbers(),
            None => self.advance(lane(calls), 1),
        }
    }

    /// The numbers of the next `count` calls in a lane, which the body makes.
    pub(super) fn advance(&self, lane: &str, count: usize) -> Range<usize> {
        let numbers = self.cursors.advance(lane, count);
        self.unreplayed.make(lane, &numbers, &self.history);
        numbers
    }

    /// Takes the doubt about the next of these calls: true if an earlier process may have made it.
    pub(super) fn take_in_doubt(&self, calls: &dyn Calls) -> bool {
        self.doubt(calls).take()
    }

    pub(super) fn set_in_doubt(&self, calls: &dyn Calls, in_doubt: bool) {
        self.doubt(calls).set(in_doubt);
    }

    fn doubt<'a>(&'a self, calls: &'a dyn Calls) -> &'a Doubt {
        calls.doubt().unwrap_or(self.recorder.in_doubt())
    }

    /// Begins a group: every recorded call at this place has to be one of its members.
    pub(super) fn begin_members(&self, group: &Group<'_>) -> Result<(), Suspension> {
        let lane = lane(group.before());
        let refused = self.refused_sagas(group);
        let count = group.steps().count() + refused.len();
        let numbers = self.advance(lane, count);
        if self.history.call(lane, numbers.start).is_some() && count > 0 {
            self.recognize(group, lane, numbers.clone(), refused)?;
        }
        group.set_numbers(numbers);
        if !self.unreplayed.is_over() {
            let sagas = group.members().iter().zip(group.positions());
            let sagas = sagas.filter(|(member, _)| member.is_saga());
            let sagas = sagas.map(|(_, position)| path(position)).collect();
            let steps = group.steps().map(call).collect();
            self.unreplayed.begin_group(lane, &steps, sagas);
        }
        let in_doubt = self.take_in_doubt(group.before());
        // The doubt is about a call behind a part that has failed.
        let is_over = self.history.has_failed_part(lane);
        group.set_begun(if in_doubt && !is_over {
            group.members().len()
        } else {
            self.last_begun(group)
        });
        if is_over {
            group.end_with_begun();
        }
        group.begin_in_doubt(in_doubt);
        Ok(())
    }

    /// The members that are sagas and whose failure is recorded, since the body handles it: each has a number.
    fn refused_sagas(&self, group: &Group<'_>) -> Vec<StepCall> {
        if self.history.is_empty() {
            return Vec::new();
        }
        let members = group.members().iter().zip(group.positions());
        let sagas = members.filter(|(member, _)| member.is_saga());
        let sagas = sagas.map(|(_, position)| call(position));
        let has_refused = |saga: &StepCall| self.history.refusal(saga).is_some();
        sagas.filter(has_refused).collect()
    }

    /// Checks that the recorded calls with these numbers are members of the group.
    fn recognize(
        &self,
        group: &Group<'_>,
        lane: &str,
        numbers: Range<usize>,
        refused: Vec<StepCall>,
    ) -> Result<(), Suspension> {
        let steps: HashSet<_> = group.steps().map(call).chain(refused).collect();
        for number in numbers {
            let Some(recorded) = self.history.call(lane, number) else {
                break;
            };
            if !steps.contains(recorded) {
                return Err(self.other_group(number, &steps, recorded));
            }
        }
        Ok(())
    }

    /// The number of members up to the last one with a record.
    fn last_begun(&self, group: &Group<'_>) -> usize {
        if self.history.is_empty() {
            return 0;
        }
        let called_sagas = || Box::new(self.history.called_sagas());
        let sagas = self.called_sagas.get_or_init(called_sagas);
        let members = group.members().iter().zip(group.positions());
        let begun = members.rev().find_map(|(member, position)| {
            let has_begun = if member.is_saga() {
                sagas.contains(&path(position))
            } else {
                self.history.knows(&call(position))
            };
            has_begun.then_some(position.before() + 1)
        });
        begun.map_or(0, |begun| begun - group.before().count())
    }

    pub(super) fn end_members(&self, group: &Group<'_>, is_suspended: bool) {
        self.unreplayed.end_group(lane(group.before()));
        self.set_in_doubt(group.before(), group.ends_in_doubt(is_suspended));
    }
}

/// The path of the saga that is called at this position.
fn path(position: Position<'_>) -> String {
    call_name::numbered(position.name(), position.occurrence()).into_owned()
}

/// The name of the lane in which these calls are made.
fn lane(calls: &dyn Calls) -> &str {
    calls.scope().map_or("", |scope| scope.path())
}
