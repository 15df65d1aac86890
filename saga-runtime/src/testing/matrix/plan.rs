//! The plan of a matrix: each fault of each call that a run shows, and their combinations.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::engines::journaled::faults::{Arrival, Fault, Moment};
use crate::meta::Kind;
use crate::testing::matrix::case::{
    Case, EVENT_FAULTS, FAULTS, SLEEP_FAULTS, Target, UNDOING_FAULTS, WaitsFor, When,
};
use crate::testing::matrix::run::Ran;

/// The most branches that a case takes beside the way without a fault, one behind the other.
const BRANCHES: usize = 3;

/// The cases of a matrix, without the types of its saga.
pub(super) struct CasePlan<'a> {
    pub(super) run: &'a mut dyn FnMut(Case) -> Ran,
    pub(super) left_out: &'a BTreeMap<String, &'static str>,
    pub(super) has_deadline: bool,
    pub(super) ran: Vec<Ran>,
    pub(super) seen: BTreeSet<String>,
}

/// The calls of a case that faults are injected into.
struct CaseCalls {
    steps: Vec<(Target, Kind)>,
    undoing: Vec<Target>,
}

impl CasePlan<'_> {
    pub(super) fn run_all(&mut self) {
        let Some(plain) = self.case(Case::default()) else {
            return;
        };
        if self.ran.iter().any(|ran| ran.is_endless) {
            return;
        }
        let mut known: Vec<_> = plain.steps.iter().map(|(step, _)| step.clone()).collect();
        let mut open: VecDeque<_> = plain
            .steps
            .iter()
            .map(|step| (Case::default(), step.clone()))
            .collect();
        while let Some((case, (target, kind))) = open.pop_front() {
            // The calls of other branches, which the body takes after a refusal, or without an event.
            for (case, other) in self.faults_of(&case, (&target, kind), &plain) {
                if case.0.len() <= BRANCHES && !known.contains(&other.0) {
                    known.push(other.0.clone());
                    open.push_back((case, other));
                }
            }
        }
    }

    /// Runs the case with each fault of this step. Returns the calls of the cases that may take another branch.
    fn faults_of(
        &mut self,
        case: &Case,
        (target, kind): (&Target, Kind),
        plain: &CaseCalls,
    ) -> Vec<(Case, (Target, Kind))> {
        let mut others = Vec::new();
        let position = plain.steps.iter().position(|(known, _)| known == target);
        let mut later = plain.steps.iter().skip(position.map_or(0, |at| at + 1));
        let last = later
            .rfind(|(later, kind)| *kind != Kind::Retriable && later.waits.is_none())
            .filter(|_| target.waits.is_none());
        let faults: &[Fault] = match target.waits {
            None => &FAULTS,
            Some(WaitsFor::Event) => &EVENT_FAULTS,
            Some(WaitsFor::Time) => &SLEEP_FAULTS,
        };
        for &fault in faults {
            // After the pivot no deadline holds.
            let can_be_late = self.has_deadline && kind != Kind::Retriable;
            if fault == Fault::Deadline && !can_be_late {
                continue;
            }
            let with = case.with(target, fault, When::First);
            let Some(calls) = self.case(with.clone()) else {
                continue;
            };
            let branches = match fault {
                Fault::Refused => kind != Kind::Retriable,
                Fault::Arrives(arrival) => arrival == Arrival::Never,
                _ => false,
            };
            if branches {
                others.extend(calls.steps.iter().map(|step| (with.clone(), step.clone())));
            }
            self.undoing_faults(&with, &calls.undoing);
            let asks_again = matches!(fault, Fault::Crash(Moment::Before | Moment::After));
            if asks_again && target.waits.is_none() {
                self.case(with.with(target, Fault::Crash(Moment::After), When::Second));
            }
            if let (true, Some((last, _))) = (calls.undoing.is_empty(), last) {
                let then = with.with(last, Fault::Refused, When::First);
                if let Some(calls) = self.case(then.clone()) {
                    let own = calls.undoing.iter().filter(|undone| {
                        undone.call == target.call && undone.occurrence == target.occurrence
                    });
                    let own: Vec<_> = own.cloned().collect();
                    self.undoing_faults(&then, &own);
                }
            }
        }
        others
    }

    /// Runs the case with each fault of each of these compensations.
    fn undoing_faults(&mut self, case: &Case, undoing: &[Target]) {
        for target in undoing {
            for (fault, when) in UNDOING_FAULTS {
                self.case(case.with(target, fault, when));
            }
        }
    }

    /// Runs one case. Returns its calls; of many calls of one step the first, the last and one between. `None` if the case was
    /// run before or is left out.
    fn case(&mut self, case: Case) -> Option<CaseCalls> {
        let is_left_out = case
            .0
            .iter()
            .any(|planned| self.left_out.contains_key(&planned.target.function));
        if is_left_out || !self.seen.insert(format!("{case:?}")) {
            return None;
        }
        let ran = (self.run)(case);
        let calls = CaseCalls {
            steps: chosen(ran.targets.iter().filter(|(target, _)| !target.is_undoing)),
            undoing: chosen(ran.targets.iter().filter(|(target, _)| target.is_undoing))
                .into_iter()
                .map(|(target, _)| target)
                .collect(),
        };
        self.ran.push(ran);
        Some(calls)
    }
}

/// Of many calls of one step the first, the last and one between.
fn chosen<'t>(targets: impl Iterator<Item = &'t (Target, Kind)>) -> Vec<(Target, Kind)> {
    let targets: Vec<_> = targets.collect();
    let mut chosen = Vec::new();
    for (number, (target, kind)) in targets.iter().enumerate() {
        let same = |(_, (other, _)): &(usize, &&(Target, Kind))| other.place() == target.place();
        let same: Vec<_> = targets.iter().enumerate().filter(same).collect();
        let among = [0, same.len() / 2, same.len() - 1];
        if among.iter().any(|at| same[*at].0 == number) {
            chosen.push((target.clone(), *kind));
        }
    }
    chosen
}
