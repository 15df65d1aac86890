//! The faults of one case, and the checks of each request: what the saga asks for, in which order, under which key.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard};
use std::time::SystemTime;

use futures_util::FutureExt;

use crate::engines::journaled::faults::{
    Arrival, Asking, Ended, Fault, Faults, MemberPath, Moment,
};
use crate::id::SagaId;
use crate::journal::{Event, Journal, Memory, Settled, StepCall};
use crate::language::is_same_json;
use crate::lock::lock;
use crate::meta::Kind;
use crate::testing::matrix::case::{Case, Planned, Target, WaitsFor};
use crate::testing::matrix::world::{Values, World};

/// The most waits at one place that an event ends.
const MOST_WAITS: u32 = 200;

/// Injects the faults of one case, and hears of every attempt.
pub(super) struct Injector {
    case: Case,
    id: SagaId,
    journal: Memory,
    refusals: BTreeMap<&'static str, String>,
    /// The values of the events.
    values: Values,
    is_sequential: bool,
    /// True if the history is replayed: nothing may be asked.
    is_replay: bool,
    pub(super) world: World,
    turns: tokio::sync::Mutex<()>,
    heard: Mutex<Heard>,
}

/// All that a case has shown.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// The attempts of each target.
    attempts: BTreeMap<Target, u32>,
    /// The targets in the order of their first attempts, with the kinds of their steps.
    pub(super) targets: Vec<(Target, Kind)>,
    keys: BTreeMap<String, Target>,
    /// The calls whose outcomes were recorded when a call was first asked.
    before: BTreeMap<String, BTreeSet<String>>,
    /// The groups of calls that run at the same time.
    groups: Vec<Vec<MemberPath>>,
    effects: Vec<OpenEffect>,
    /// The compensations that have failed.
    failed: BTreeSet<String>,
    /// The compensations that were done at least once.
    undone: BTreeSet<String>,
    /// The story, a line for each attempt.
    pub(super) story: Vec<String>,
    pub(super) problems: Vec<String>,
    pub(super) left_out: Vec<String>,
    /// True if the saga waits again and again.
    pub(super) is_endless: bool,
    /// The number of attempts whose code waits.
    waiting: u32,
}

/// An effect that has happened and is not undone.
#[derive(Debug)]
struct OpenEffect {
    call: String,
    function: String,
    kind: Kind,
}

impl fmt::Debug for Injector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Injector")
            .field("case", &self.case)
            .finish_non_exhaustive()
    }
}

impl Injector {
    pub(super) fn new(
        case: Case,
        id: SagaId,
        journal: Memory,
        refusals: BTreeMap<&'static str, String>,
        values: Values,
        is_sequential: bool,
    ) -> Self {
        Self {
            case,
            id,
            journal,
            refusals,
            values,
            is_sequential,
            is_replay: false,
            world: World::default(),
            turns: tokio::sync::Mutex::default(),
            heard: Mutex::default(),
        }
    }

    /// Hears of a replay, in which nothing may be asked.
    pub(super) fn of_replay(id: SagaId, journal: Memory) -> Self {
        Self {
            is_replay: true,
            ..Self::new(
                Case::default(),
                id,
                journal,
                BTreeMap::new(),
                Values::default(),
                false,
            )
        }
    }

    pub(super) fn heard(&self) -> MutexGuard<'_, Heard> {
        lock(&self.heard)
    }

    fn planned(&self, target: &Target, attempt: u32) -> Option<&Planned> {
        let mut planned = self.case.0.iter();
        planned.find(|planned| planned.target == *target && planned.when.is(attempt))
    }

    /// The events that arrive before the saga waits for them: their names and values.
    pub(super) fn early_events(&self) -> Vec<(String, serde_json::Value)> {
        let early = |planned: &&Planned| planned.fault == Fault::Arrives(Arrival::Before);
        let mut events = Vec::new();
        for planned in self.case.0.iter().filter(early) {
            // The waits before it take the ones before it.
            for occurrence in 0..=planned.target.occurrence {
                let named = planned.target.events();
                if let Some((name, value)) = self.values.first_of(named, occurrence) {
                    events.push((name.to_owned(), value.clone()));
                }
            }
        }
        events
    }

    /// An event of the saga is recorded. Returns true if its process ends now.
    pub(super) fn is_recorded(&self, event: &Event) -> bool {
        if self.is_replay {
            return false;
        }
        match event {
            Event::Waiting { step, until } => self.begins_wait(step, *until),
            Event::Received { name, .. } => self.world.has_arrived(name),
            Event::StepDone { step, .. } | Event::StepRefused { step, .. } => {
                let ends = self.case.0.iter().any(|planned| {
                    planned.fault == Fault::Crash(Moment::Recorded)
                        && planned.target.waits.is_none()
                        && planned.target.call == *step.name
                        && planned.target.occurrence == step.occurrence
                });
                if ends {
                    self.crash();
                }
                ends
            }
            _ => false,
        }
    }

    /// The saga begins to wait. Its world sends what it waits for, with the fault of the wait.
    fn begins_wait(&self, wait: &StepCall, until: Option<SystemTime>) -> bool {
        let target = Target::of_wait(wait);
        let planned = self.planned(&target, 1);
        let mut heard = self.heard();
        heard.targets.push((target.clone(), Kind::NothingToUndo));
        heard.story.push(match planned {
            Some(planned) => format!("{target}, {}", planned.words()),
            None => match target.waits {
                Some(WaitsFor::Time) => target.to_string(),
                _ => format!("{target} is waited for"),
            },
        });
        let sent = self.values.first_of(wait.events(), wait.occurrence);
        let event = sent.map(|(event, _)| event).or(wait.events().next());
        let value = sent.map(|(_, value)| value);
        // No time passes while events arrive, so nothing else ends such a loop.
        if let (Some(event), true) = (event, value.is_some() && wait.occurrence >= MOST_WAITS) {
            heard.is_endless = true;
            heard.problem(format!(
                "the saga waits for `{event}` more than {MOST_WAITS} times: with these events, its loop does not end"
            ));
            drop(heard);
            self.world.cancel(None);
            return false;
        }
        if event.is_some() && value.is_none() {
            let events: Vec<_> = wait.events().collect();
            heard.left_out.push(format!(
                "the saga waits for the event `{}`: give a value with `event`",
                events.join("` or `")
            ));
        }
        drop(heard);
        let fault = planned.map(|planned| planned.fault);
        if fault == Some(Fault::Crash(Moment::Before)) {
            self.crash();
        }
        if fault == Some(Fault::Cancelled) {
            let otherwise = event.zip(value);
            let otherwise = otherwise.map(|(event, value)| (event.to_owned(), value.clone()));
            self.world.cancel(otherwise);
        } else if let Some(event) = event {
            self.world.send(event, value, fault, until.is_some());
        }
        fault == Some(Fault::Crash(Moment::Before))
    }

    /// The recorded events so far, and whether the saga has ended.
    fn recorded(&self) -> (Vec<Event>, bool) {
        // The journal is in memory: it answers at once.
        let loaded = self.journal.load(&self.id).now_or_never();
        let Some(Ok(Some(history))) = loaded else {
            return (Vec::new(), false);
        };
        let is_over = history.record.state.is_final();
        let entries = history.entries.unwrap_or_default().into_iter();
        (entries.map(|entry| entry.event).collect(), is_over)
    }

    /// Checks that this request may be made now.
    fn check_request(&self, heard: &mut Heard, asking: &Asking<'_>, target: &Target) {
        let (events, is_over) = self.recorded();
        let call = asking.call.to_string();
        if is_over {
            heard.problem(format!("`{target}` is asked after the end of the saga"));
        }
        let of_call = |event: &&Event| event.step() == Some(asking.call);
        let is_settled = |event: &Event| match event {
            Event::StepDone { .. } | Event::StepRefused { .. } => !asking.is_undoing,
            Event::CompensationDone { .. } => asking.is_undoing,
            Event::StepSettled { settled, .. } => match settled {
                // What it has done is still to be undone.
                Settled::Done { .. } => !asking.is_undoing,
                Settled::Nothing { .. } | Settled::Resolved => true,
                // An operator may have it tried again.
                Settled::Unresolved { .. } => false,
            },
            _ => false,
        };
        if events.iter().filter(of_call).any(is_settled) {
            heard.problem(format!(
                "`{target}` is asked again, although its outcome is recorded"
            ));
        }
        let is_undone = events
            .iter()
            .any(|event| matches!(event, Event::Compensating { .. }));
        // A step in doubt is settled, also behind the compensations of earlier steps.
        let is_settling = events
            .iter()
            .filter(of_call)
            .any(|event| matches!(event, Event::StepInDoubt { .. }));
        if is_undone && !asking.is_undoing && !is_settling {
            heard.problem(format!(
                "`{target}` is asked after the decision to compensate"
            ));
        }
        if let Some(other) = heard.keys.insert(asking.key.clone(), target.clone())
            && other != *target
        {
            heard.problem(format!("`{target}` and `{other}` have the same key"));
        }
        let has_other_key = heard
            .keys
            .iter()
            .any(|(key, known)| known == target && *key != asking.key);
        if has_other_key {
            heard.problem(format!("`{target}` has another key than before"));
        }
        if asking.is_undoing {
            self.check_order(heard, &call, target);
        } else {
            heard.before.entry(call).or_insert_with(|| {
                let done = events.iter().filter_map(|event| match event {
                    Event::StepDone { step, .. } => Some(step.to_string()),
                    _ => None,
                });
                done.collect()
            });
        }
    }

    /// Checks that no effect of a later call is left, unless its own compensation keeps failing.
    fn check_order(&self, heard: &mut Heard, call: &str, target: &Target) {
        if !self.is_sequential {
            return;
        }
        let is_later = |effect: &&OpenEffect| {
            let before = heard.before.get(&effect.call);
            effect.kind == Kind::Compensatable
                && effect.call != call
                && before.is_some_and(|before| before.contains(call))
                && !heard.are_at_the_same_time(&effect.call, call)
                && !heard.failed.contains(&effect.call)
        };
        let later = heard.effects.iter().find(is_later);
        let problem = later.map(|later| {
            format!(
                "`{target}` runs before the effect of `{}` is undone",
                later.function
            )
        });
        if let Some(problem) = problem {
            heard.problem(problem);
        }
    }

    /// The effects that are there at the end of a compensated saga.
    pub(super) fn left(&self) -> Vec<String> {
        let heard = self.heard();
        let left = heard
            .effects
            .iter()
            .filter(|effect| effect.kind != Kind::NothingToUndo);
        left.map(|effect| effect.function.clone()).collect()
    }
}

impl Heard {
    pub(super) fn problem(&mut self, problem: String) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Returns true if these calls are made by two members of a group.
    fn are_at_the_same_time(&self, one: &str, other: &str) -> bool {
        self.groups.iter().any(|group| {
            let member = |call: &str| group.iter().position(|member| member.has(call));
            member(one)
                .zip(member(other))
                .is_some_and(|(one, other)| one != other)
        })
    }

    fn note_end(&mut self, target: &Target, asking: &Asking<'_>, ended: &Ended) {
        let call = asking.call.to_string();
        let was_done = if asking.is_undoing {
            self.undone.contains(&call)
        } else {
            self.effects.iter().any(|effect| effect.call == call)
        };
        match (ended, asking.is_undoing) {
            (Ended::Done, false) if !was_done => self.effects.push(OpenEffect {
                call,
                function: target.to_string(),
                kind: asking.meta.kind,
            }),
            (Ended::Done, true) => {
                self.effects.retain(|effect| effect.call != call);
                self.undone.insert(call);
            }
            (Ended::Refused(error), false) if was_done => self.problem(format!(
                "`{target}` was done, and refuses when it is asked again under the same key: {error}. An error says that nothing has happened, so nothing undoes it"
            )),
            (Ended::Open(error), true) => {
                self.failed.insert(call);
                if was_done {
                    self.problem(format!(
                        "`{target}` was done, and fails when it is asked again: {error}. A compensation that has nothing left to undo has to answer `Ok`"
                    ));
                }
            }
            (Ended::NotRun, true) => {
                self.failed.insert(call);
            }
            _ => {}
        }
    }
}

impl Faults for Injector {
    fn begin(&self, asking: &Asking<'_>) -> Option<Fault> {
        let target = Target::new(asking);
        let mut heard = self.heard();
        if self.is_replay {
            heard.problem(format!("`{target}` is asked in a replay of the history"));
        } else {
            self.check_request(&mut heard, asking, &target);
        }
        let count = heard.attempts.entry(target.clone()).or_insert(0);
        *count += 1;
        let count = *count;
        if count == 1 {
            heard.targets.push((target.clone(), asking.meta.kind));
        }
        let planned = self.planned(&target, count);
        let again = match count {
            1 => String::new(),
            count => format!(", attempt {count}"),
        };
        heard.story.push(match planned {
            Some(planned) => format!("{target}{again}, {}", planned.words()),
            None => format!("{target}{again}"),
        });
        planned.map(|planned| planned.fault)
    }

    fn end(&self, asking: &Asking<'_>, ended: Ended) {
        let target = Target::new(asking);
        let mut heard = self.heard();
        heard.note_end(&target, asking, &ended);
        let text = match ended {
            Ended::Done => "done".to_owned(),
            Ended::Refused(error) | Ended::Open(error) => error,
            Ended::NotRun => "not run".to_owned(),
        };
        if let Some(line) = heard.story.last_mut() {
            line.push_str(" → ");
            line.push_str(&text);
        }
    }

    fn answered_twice(&self, asking: &Asking<'_>, first: &str, second: &str) {
        if !is_same_json(first, second) {
            let target = Target::new(asking);
            self.heard().problem(format!(
                "`{target}` gives another answer when it is asked twice under one key: `{first}`, then `{second}`. It ignores its key: the effect has happened twice"
            ));
        }
    }

    fn refusal(&self, asking: &Asking<'_>) -> Option<String> {
        self.refusals.get(asking.meta.name).cloned()
    }

    fn leave_out(&self, why: String) {
        self.heard().left_out.push(why);
    }

    fn crash(&self) {
        self.heard()
            .story
            .push("— the process ends, and the next one begins —".to_owned());
        self.world.end_process();
    }

    fn begin_group(&self, members: Vec<MemberPath>) {
        let mut heard = self.heard();
        if !heard.groups.contains(&members) {
            heard.groups.push(members);
        }
    }

    fn turns(&self) -> &tokio::sync::Mutex<()> {
        &self.turns
    }

    fn begins_to_wait(&self) {
        let mut heard = self.heard();
        heard.waiting += 1;
        if heard.waiting == 1 {
            tokio::time::resume();
        }
    }

    fn has_waited(&self) {
        let mut heard = self.heard();
        heard.waiting -= 1;
        if heard.waiting == 0 {
            tokio::time::pause();
        }
    }
}
