//! The recorded calls that a replay has not made yet. Before anything new happens, each of them has to be made, unless it
//! runs at the same time.

use std::collections::{HashMap, HashSet};
use std::iter::successors;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};

use crate::journal::StepCall;
use crate::journal::history::ReplayState;
use crate::lock::lock;

/// The recorded calls that were not made yet: with an outcome, or only attempted.
#[derive(Debug)]
pub(super) struct Unreplayed {
    /// True once the body has made all of them: that stays so.
    is_over: AtomicBool,
    /// The number of calls with an outcome, if they are in more sagas than one: the lanes alone don't tell their order.
    in_lanes: Option<usize>,
    /// Behind a pointer: a saga that was just started has none.
    rest: OnceLock<Box<Mutex<RecordedRest>>>,
}

#[derive(Debug, Default)]
struct RecordedRest {
    /// How many there are in each saga, by its path, together with the calls in the sagas that it calls.
    counts: HashMap<String, usize>,
    /// The calls of steps that were attempted and have no outcome.
    attempted: Vec<StepCall>,
    /// The groups that run, by the lane that calls them.
    groups: HashMap<String, OpenGroup>,
}

/// A group whose members run.
#[derive(Debug)]
struct OpenGroup {
    /// The paths of its members that are sagas.
    sagas: HashSet<String>,
    /// How many calls of its lane, and of the sagas called there, are no calls of its members.
    others: usize,
}

impl Unreplayed {
    pub(super) fn new(history: &ReplayState) -> Self {
        let mut rest = RecordedRest::default();
        for (lane, count) in history.lanes() {
            rest.add(lane, count);
        }
        let recorded = rest.all();
        for call in history.attempted() {
            rest.add(call.lane(), 1);
            rest.attempted.push(call.clone());
        }
        let is_over = rest.all() == 0;
        let in_lanes = (history.lanes().count() > 1).then_some(recorded);
        let rest = (!is_over).then(|| Box::new(Mutex::new(rest)));
        Self {
            is_over: AtomicBool::new(is_over),
            in_lanes,
            rest: rest.map(OnceLock::from).unwrap_or_default(),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// The body makes the calls with these numbers in a lane.
    pub(super) fn make(&self, lane: &str, numbers: &Range<usize>, history: &ReplayState) {
        if self.is_over() {
            return;
        }
        let recorded = history.calls_in(lane);
        let made = numbers.end.min(recorded) - numbers.start.min(recorded);
        self.change(|rest| rest.remove(lane, made));
    }

    /// The body makes a call that has no outcome: it may be one that was attempted.
    pub(super) fn make_attempted(&self, called: &StepCall) {
        if self.is_over() {
            return;
        }
        self.change(|rest| {
            if let Some(index) = rest.attempted.iter().position(|call| call == called) {
                let call = rest.attempted.swap_remove(index);
                rest.remove(call.lane(), 1);
            }
        });
    }

    /// The calls of this group, in this lane, begin to run: these steps, and the sagas with these paths.
    pub(super) fn begin_group(
        &self,
        lane: &str,
        steps: &HashSet<StepCall>,
        sagas: HashSet<String>,
    ) {
        self.change(|rest| {
            let attempted = std::mem::take(&mut rest.attempted);
            let (made, left): (Vec<_>, Vec<_>) =
                attempted.into_iter().partition(|call| steps.contains(call));
            rest.attempted = left;
            rest.remove(lane, made.len());
            let inside: usize = sagas.iter().map(|saga| rest.count(saga)).sum();
            let others = rest.count(lane).saturating_sub(inside);
            let group = OpenGroup { sagas, others };
            rest.groups.insert(lane.to_owned(), group);
        });
    }

    pub(super) fn end_group(&self, lane: &str) {
        if !self.is_over() {
            self.lock().groups.remove(lane);
        }
    }

    /// Returns whether something new may happen in this lane: all that is left runs at the same time.
    pub(super) fn may_go_on(&self, lane: &str) -> bool {
        if self.is_over() {
            return true;
        }
        let rest = self.lock();
        let mut inside = 0;
        outwards(lane).all(|path| {
            let count = rest.count(path);
            let all_made = match rest.groups.get(path) {
                Some(group) => group.others == 0,
                None => count == inside,
            };
            inside = count;
            all_made
        })
    }

    /// Returns whether a recorded call comes in the order of the records. While a group runs, calls may end in any order.
    pub(super) fn is_in_order(&self, called: &StepCall, history: &ReplayState) -> bool {
        let Some(recorded) = self.in_lanes else {
            return true;
        };
        let rest = self.lock();
        if !rest.groups.is_empty() {
            return true;
        }
        let left = rest.all().saturating_sub(rest.attempted.len());
        // This call is made already.
        let made = recorded.saturating_sub(left);
        history.index(called).is_none_or(|index| index + 1 == made)
    }

    /// The first call that was not made, and its number in its lane, as far as it does not run at the same time as this lane.
    pub(super) fn first<'a>(
        &self,
        history: &'a ReplayState,
        made: impl Fn(&str) -> usize,
        beside: Option<&str>,
    ) -> Option<(usize, &'a StepCall)> {
        let rest = self.lock();
        let is_missed = |call: &StepCall| beside.is_none_or(|lane| !rest.run_together(call, lane));
        let mut recorded = history.numbered();
        let recorded =
            recorded.find(|(number, call)| *number >= made(call.lane()) && is_missed(call));
        recorded.or_else(|| {
            let mut attempted = history.attempted();
            let call = attempted.find(|call| rest.attempted.contains(*call) && is_missed(call))?;
            Some((history.calls_in(call.lane()), call))
        })
    }

    fn change(&self, change: impl FnOnce(&mut RecordedRest)) {
        let mut rest = self.lock();
        change(&mut rest);
        if rest.all() == 0 {
            self.is_over.store(true, Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, RecordedRest> {
        lock(self.rest.get_or_init(Box::default))
    }
}

impl RecordedRest {
    fn all(&self) -> usize {
        self.count("")
    }

    fn count(&self, path: &str) -> usize {
        self.counts.get(path).copied().unwrap_or(0)
    }

    fn add(&mut self, lane: &str, calls: usize) {
        for path in outwards(lane) {
            *self.counts.entry(path.to_owned()).or_default() += calls;
        }
    }

    fn remove(&mut self, lane: &str, calls: usize) {
        if calls == 0 {
            return;
        }
        for path in outwards(lane) {
            if let Some(count) = self.counts.get_mut(path) {
                *count = count.saturating_sub(calls);
            }
        }
    }

    /// Returns whether the call is made by a member of a group beside the member that is this lane, or that calls it.
    fn run_together(&self, call: &StepCall, lane: &str) -> bool {
        outwards(call.lane()).any(|path| {
            let outer = path.rsplit_once('/').map_or("", |(outer, _)| outer);
            let group = self.groups.get(outer);
            let is_member = group.is_some_and(|group| group.sagas.contains(path));
            is_member && !outwards(lane).any(|around| around == path)
        })
    }
}

/// The path of a called saga, that of the saga that has called it, and so on up to the outermost one, which is empty.
fn outwards(lane: &str) -> impl Iterator<Item = &str> {
    successors(Some(lane), |path| {
        let outer = path.rsplit_once('/').map_or("", |(outer, _)| outer);
        (!path.is_empty()).then_some(outer)
    })
}
