//! The meaning of a saga's entries: the next step, the settled steps, the compensated steps. Pure: I/O is `recorder.rs`.
//!
//! ```text
//! Forward ──step in doubt──▶ Settling ──settled──▶ Forward ──completed──▶ Final
//!    │                          │                                          ▲
//!    └──────compensating────────┴──────▶ Backward ──────compensated────────┘
//!    any but Final ──stuck──▶ Stuck ──by hand──▶ where it was
//!    any but Final ──abandoned──▶ Final
//! ```

mod apply;
mod compensations;
mod decidable;
mod lanes;
mod outcome;
mod received;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::{Deref, Range};
use std::sync::LazyLock;
use std::time::SystemTime;

use crate::error::{CompensationOutcome, Reason};
use crate::journal::{Damage, Entry, FailingStep, StepCall};
use crate::meta::{AttemptPhase, Kind};
use compensations::Compensations;
use outcome::StepOutcome;

pub(crate) use outcome::Settling;
pub(crate) use received::ReceivedEvent;

/// The calls and decisions of a saga so far, in the order in which a replay asks for them.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReplayState {
    steps: Vec<RecordedCall>,
    /// Which steps were called in which lane, in order: those of the saga itself, and those of each saga that it called.
    lanes: HashMap<String, Vec<usize>>,
    /// The index of each call among the steps, by its name and occurrence.
    calls: HashMap<(Cow<'static, str>, u32), usize>,
    /// The calls whose attempts fail, by name and occurrence: the newest entry of each, until the call has an outcome.
    failing: HashMap<(Cow<'static, str>, u32), Failing>,
    /// The calls on the way forward that were attempted and have no outcome, also after a retry: a replay has to make them again.
    attempted: HashMap<(Cow<'static, str>, u32), Attempted>,
    /// True if a retriable step was attempted, which closes the way back.
    has_tried_retriable: bool,
    decision: Option<Decision>,
    /// The lanes in which a call has refused or was in doubt.
    failed_lanes: HashSet<String>,
    compensations: Compensations,
    /// The questions of the bodies, and the answers.
    values: Vec<(StepCall, String)>,
    /// The events that were sent to the saga: name and payload.
    received: Vec<ReceivedEvent>,
    /// The numbers of the events that could not be read, and why.
    set_aside: Vec<(u64, String)>,
    end: Option<RecordedEnd>,
    /// An operator has decided that it is undone from its record, without its body.
    by_record: bool,
    /// The reason of the last entry that was not made by hand, if that entry says that the saga is stuck.
    stuck: Option<Reason>,
    by_hand: bool,
    /// The index of the step that an operator has completed, while nothing has followed from that.
    completed: Option<usize>,
}

/// The history of a saga in flight. A saga that was just started has none, and needs no memory for it.
#[derive(Debug, Default)]
pub(crate) struct KeptHistory(Option<Box<ReplayState>>);

/// The history of a saga that was just started.
static NOTHING: LazyLock<ReplayState> = LazyLock::new(ReplayState::default);

impl From<ReplayState> for KeptHistory {
    fn from(history: ReplayState) -> Self {
        Self(Some(Box::new(history)))
    }
}

impl Deref for KeptHistory {
    type Target = ReplayState;

    fn deref(&self) -> &ReplayState {
        self.0.as_deref().unwrap_or_else(|| &NOTHING)
    }
}

/// A call whose attempts fail, as it was recorded last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failing {
    pub(crate) step: StepCall,
    pub(crate) phase: AttemptPhase,
    /// The number of attempts, over all claims.
    pub(crate) attempts: u32,
    /// How many of them came before this phase.
    pub(crate) earlier: u32,
    pub(crate) in_doubt: bool,
    pub(crate) reason: Reason,
    pub(crate) since: SystemTime,
    pub(crate) until: SystemTime,
}

/// A call on the way forward that was attempted and has no outcome.
#[derive(Debug, Clone)]
struct Attempted {
    call: StepCall,
    /// True if an attempt may have had an effect.
    in_doubt: bool,
}

/// One call of a step on the way forward.
#[derive(Debug, Clone)]
struct RecordedCall {
    call: StepCall,
    /// Its number in its lane.
    number: usize,
    outcome: StepOutcome,
    /// The digest of its inputs, if it is recorded.
    inputs: Option<u64>,
}

/// The direction in which a step is attempted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Its outcome is not known.
    Forward,
    /// It is compensated.
    Backward,
}

/// The decision to undo the saga.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    /// The name of the call at which it failed, if it was one of a step.
    pub(crate) step: Option<String>,
    /// The reason.
    pub(crate) reason: Reason,
}

/// The code of an operator's decision to undo a saga from its record. Its payload says if a step may have been requested, as the
/// payload of a stuck saga does.
pub(crate) const BY_RECORD: &str = "by_record";

/// The name of a step that may have been requested after the last entry: which one, nothing tells.
pub(crate) const UNKNOWN_STEP: &str = "?";

/// A call that is to be undone from the record.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CallToUndo<'a> {
    /// It is done, with this output.
    Compensate { call: &'a StepCall, output: &'a str },
    /// It is in doubt, and its inputs are not recorded.
    InDoubt(&'a StepCall),
}

/// The beginning of the reason of an event that an operator has dropped.
pub(crate) const DROPPED_BY_HAND: &str = "dropped by hand: ";

/// The payload of an entry that says that the saga is stuck, if no step was requested after the entry before. An entry of an older
/// version has none.
pub(crate) const NOTHING_REQUESTED: &str = "{\"requested\":false}";

/// The end of a saga.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RecordedEnd {
    Completed { output: String },
    Compensated,
    Abandoned { reason: String, left: Vec<String> },
}

/// The history's answer about the next call of a step.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NextCall<'a> {
    /// It is done, with this output.
    Done(&'a str),
    /// It has refused.
    Refused(&'a Reason),
    /// It is in doubt, and is to be settled: its compensation by a resolver, or by asking again.
    Settle(&'a Reason),
    /// It was in doubt, and is settled.
    Settled(&'a Reason, &'a Settling),
    /// It is a wait, which began in an earlier process, until then.
    Waiting(Option<SystemTime>),
    /// It was a wait, which is over: this event has come, or the time is over.
    Over(Option<&'a ReceivedEvent>),
    /// Nothing is known of it: it is requested.
    Request,
    /// Nothing is known of it, and the saga is undone: it is not requested.
    Stop(&'a Decision),
    /// Another step was called here: the definition has changed.
    Changed {
        /// The recorded call.
        recorded: &'a StepCall,
    },
}

impl ReplayState {
    /// Replays these entries.
    ///
    /// # Errors
    /// [`Damage`] if they don't follow from one another.
    pub(crate) fn new<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Result<Self, Damage> {
        let mut history = Self::default();
        for entry in entries {
            let name = entry.event.name();
            if !history.apply(&entry.event) {
                let message = format!("`{name}` can't follow what comes before");
                return Err(Damage::new(entry.seq, message));
            }
        }
        Ok(history)
    }

    /// Reads the history of a saga that goes on: all of it, or what can be read of it, once an operator has decided about that.
    ///
    /// # Errors
    /// The damage, with the entries that can be read.
    pub(crate) fn of_history(entries: Result<Vec<Entry>, Damage>) -> Result<Self, Damage> {
        let history = entries.and_then(|entries| match Self::new(&entries) {
            Ok(history) => Ok(history),
            Err(unclear) => Err(unclear.beside(entries)),
        });
        history.or_else(|damage| match Self::of_readable(&damage.readable) {
            history if history.is_undone_by_record() => Ok(history),
            _ => Err(damage),
        })
    }

    /// Replays what can be read of a damaged history. An entry that can't follow what can be read before it changes nothing.
    pub(crate) fn of_readable<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let (mut history, mut applied) = (Self::default(), Vec::new());
        for Entry { event, .. } in entries {
            if history.apply(event) {
                applied.push(event);
            } else {
                history = Self::default();
                for event in &applied {
                    history.apply(event);
                }
            }
        }
        history
    }

    /// Returns whether an operator has decided to undo the saga from its record, without a run of its body.
    pub(crate) fn is_undone_by_record(&self) -> bool {
        self.by_record && self.end.is_none()
    }

    /// The calls of steps, in the order of their outcomes, with what has to be done to undo them.
    pub(crate) fn calls_to_undo(&self) -> impl DoubleEndedIterator<Item = CallToUndo<'_>> {
        self.steps.iter().filter_map(|one| {
            let call = &one.call;
            match &one.outcome {
                StepOutcome::Done { output }
                | StepOutcome::Settled {
                    settled: Settling::Done { output },
                    ..
                } if call.kind == Kind::Compensatable => {
                    Some(CallToUndo::Compensate { call, output })
                }
                StepOutcome::InDoubt { .. } => Some(CallToUndo::InDoubt(call)),
                _ => None,
            }
        })
    }

    /// The outcomes of the calls that were in doubt, as far as there is something to report.
    pub(crate) fn settled(&self) -> impl Iterator<Item = (&StepCall, CompensationOutcome)> {
        self.steps
            .iter()
            .filter_map(|one| Some((&one.call, one.outcome.settled()?)))
    }

    /// Returns whether a step may have been requested after the last entry. `is_orderly`: the last holder has released the saga
    /// between two steps.
    pub(crate) fn may_have_requested(&self, is_orderly: bool) -> bool {
        if self.decision.is_some() || self.end.is_some() {
            return false;
        }
        // An attempt that was parked gave no answer.
        self.attempted_in_doubt().next().is_some() || self.may_have_requested_another(is_orderly)
    }

    /// The calls without an outcome of which an attempt may have had an effect.
    pub(super) fn attempted_in_doubt(&self) -> impl Iterator<Item = &StepCall> {
        let attempted = self.attempted.values().filter(|one| one.in_doubt);
        attempted.map(|one| &one.call)
    }

    /// Returns whether a step may have been requested after the last entry of which no entry tells.
    fn may_have_requested_another(&self, is_orderly: bool) -> bool {
        match &self.stuck {
            // The step is recorded as attempted.
            Some(reason) if reason.code == "retries_exhausted" => {
                self.attempted_in_doubt().next().is_none()
            }
            Some(reason) => reason.error.as_deref() != Some(NOTHING_REQUESTED),
            None => !is_orderly,
        }
    }

    /// The steps that may have been requested and have no outcome: their names, and `?` if nothing tells which one it was.
    pub(crate) fn requested(&self, is_orderly: bool, is_unknown: bool) -> Vec<String> {
        let goes_forward = self.decision.is_none() && self.end.is_none();
        let attempted = self.attempted_in_doubt().filter(|_| goes_forward);
        let mut requested: Vec<_> = attempted.map(ToString::to_string).collect();
        requested.sort_unstable();
        if is_unknown || (goes_forward && self.may_have_requested_another(is_orderly)) {
            requested.push(UNKNOWN_STEP.to_owned());
        }
        requested
    }

    /// Returns whether a stuck saga can be compensated by running its body: it is on its way forward, and its body has not been
    /// found not to fit.
    pub(crate) fn can_go_back_by_its_body(&self) -> bool {
        let fits = |reason: &Reason| !matches!(&*reason.code, "definition_changed" | "unreadable");
        self.decision.is_none() && self.stuck.as_ref().is_none_or(fits)
    }

    /// Returns whether no step is recorded.
    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.failing.is_empty() && self.attempted.is_empty()
    }

    /// The decision to undo the saga, if it was made.
    pub(crate) fn decision(&self) -> Option<&Decision> {
        self.decision.as_ref()
    }

    /// Returns whether a step is done after which the saga only goes forward.
    pub(crate) fn only_goes_forward(&self) -> bool {
        let mut steps = self.steps.iter();
        let is_done = steps.any(|one| {
            one.call.kind.closes_the_way_back() && matches!(one.outcome, StepOutcome::Done { .. })
        });
        self.has_tried_retriable || is_done
    }

    /// The attempts of a call in this phase, if they fail.
    pub(crate) fn failing(&self, called: &StepCall, phase: AttemptPhase) -> Option<&Failing> {
        let failing = self.failing.get(&called.clone().into_key())?;
        (failing.phase == phase && failing.step == *called).then_some(failing)
    }

    /// The calls whose attempts fail, the one that fails the longest first.
    pub(crate) fn failing_steps(&self) -> Vec<FailingStep> {
        let steps = self.failing.values().map(|failing| FailingStep {
            call: failing.step.clone(),
            phase: failing.phase,
            attempts: failing.attempts,
            reason: failing.reason.clone(),
            since: failing.since,
            until: failing.until,
        });
        let mut steps: Vec<_> = steps.collect();
        steps.sort_by(|one, other| {
            let key = |step: &FailingStep| (step.since, step.call.occurrence);
            let by_name = || one.call.name.cmp(&other.call.name);
            key(one).cmp(&key(other)).then_with(by_name)
        });
        steps
    }

    /// The recorded refusal of a call.
    pub(crate) fn refusal(&self, called: &StepCall) -> Option<&Reason> {
        let one = self.known(called)?;
        match &one.outcome {
            StepOutcome::Refused { reason } if one.call == *called => Some(reason),
            _ => None,
        }
    }

    /// Its end, if it has ended.
    pub(crate) fn end(&self) -> Option<&RecordedEnd> {
        self.end.as_ref()
    }

    /// The recorded outcome of a call in its lane: its number there, or all numbers of the group that it is in.
    pub(crate) fn next(&self, numbers: Range<usize>, called: &StepCall) -> NextCall<'_> {
        let known = self.known(called);
        let here = known.filter(|one| numbers.contains(&one.number) && one.call == *called);
        let first = || self.recorded(called.lane(), numbers.start);
        let Some(RecordedCall { call, outcome, .. }) = here.or_else(first) else {
            return match &self.decision {
                Some(decision) => NextCall::Stop(decision),
                None => NextCall::Request,
            };
        };
        if call != called {
            return NextCall::Changed { recorded: call };
        }
        match outcome {
            StepOutcome::Done { output } => NextCall::Done(output),
            StepOutcome::Refused { reason } => NextCall::Refused(reason),
            StepOutcome::InDoubt { reason } => NextCall::Settle(reason),
            StepOutcome::Settled { reason, settled } => NextCall::Settled(reason, settled),
            StepOutcome::Waiting { until } => NextCall::Waiting(*until),
            StepOutcome::Over { received } => NextCall::Over(received.and_then(|number| {
                let number = usize::try_from(number).ok()?;
                self.received.get(number)
            })),
        }
    }

    /// The questions of the bodies besides steps, and the answers.
    pub(crate) fn values(&self) -> impl Iterator<Item = (&StepCall, &str)> {
        let values = self.values.iter();
        values.map(|(of, value)| (of, value.as_str()))
    }

    /// The waits that are not over: the call, and until when. One that an event ends which was sent already is as good as
    /// over, and none is left when the saga is undone or has ended.
    pub(crate) fn waits(&self) -> impl Iterator<Item = (&StepCall, Option<SystemTime>)> {
        let sent = self.untaken().map(|(_, event)| &event.name);
        let mut sent: Vec<_> = sent.collect();
        let is_over = self.decision.is_some() || self.end.is_some();
        let steps = self.steps.iter().take_while(move |_| !is_over);
        steps.filter_map(move |one| {
            let StepOutcome::Waiting { until } = one.outcome else {
                return None;
            };
            let ends = sent.iter().position(|name| one.call.is_ended_by(name));
            match ends {
                Some(position) => {
                    sent.remove(position);
                    None
                }
                None => Some((&one.call, until)),
            }
        })
    }

    /// The events that were set aside: the name, and the reason why the event can't be read.
    pub(crate) fn set_aside(&self) -> impl Iterator<Item = (&str, &str)> {
        self.set_aside.iter().filter_map(|(number, message)| {
            let event = self.received.get(usize::try_from(*number).ok()?)?;
            Some((&*event.name, &**message))
        })
    }

    /// The events that were sent to the saga, in the order of their numbers.
    pub(crate) fn received(&self) -> &[ReceivedEvent] {
        &self.received
    }

    /// The events that were sent to the saga, have ended no wait and are not set aside, with their numbers.
    pub(crate) fn untaken(&self) -> impl Iterator<Item = (u64, &ReceivedEvent)> {
        let taken = self.steps.iter().filter_map(|one| match one.outcome {
            StepOutcome::Over { received } => received,
            _ => None,
        });
        let set_aside = self.set_aside.iter().map(|(number, _)| *number);
        let taken: HashSet<_> = taken.chain(set_aside).collect();
        let received = (0..).zip(&self.received);
        received.filter(move |(number, _)| !taken.contains(number))
    }

    /// The recorded outcome of a member of a group that has these numbers in its lane.
    pub(crate) fn next_in_group(&self, numbers: Range<usize>, called: &StepCall) -> NextCall<'_> {
        match self.next(numbers, called) {
            // The others are members of the group, which was seen to before.
            NextCall::Changed { .. } => match &self.decision {
                Some(decision) => NextCall::Stop(decision),
                None => NextCall::Request,
            },
            next => next,
        }
    }

    /// The call with this number in its lane.
    pub(crate) fn call(&self, lane: &str, number: usize) -> Option<&StepCall> {
        self.recorded(lane, number).map(|recorded| &recorded.call)
    }

    /// The calls with an outcome, in the order of their outcomes, with the number of each in its lane.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (usize, &StepCall)> {
        self.steps.iter().map(|one| (one.number, &one.call))
    }

    /// The place of a call among all calls with an outcome, in the order of the outcomes.
    pub(crate) fn index(&self, called: &StepCall) -> Option<usize> {
        self.calls.get(&called.clone().into_key()).copied()
    }

    /// The calls on the way forward that were attempted and have no outcome.
    pub(crate) fn attempted(&self) -> impl Iterator<Item = &StepCall> {
        self.attempted.values().map(|one| &one.call)
    }

    /// Returns whether a call of a step is recorded.
    pub(crate) fn knows(&self, called: &StepCall) -> bool {
        let key = called.clone().into_key();
        self.calls.contains_key(&key)
            || self.failing.contains_key(&key)
            || self.attempted.contains_key(&key)
    }

    fn known(&self, called: &StepCall) -> Option<&RecordedCall> {
        self.calls
            .get(&called.clone().into_key())
            .map(|index| &self.steps[*index])
    }

    /// The recorded digest of the inputs of a call.
    pub(crate) fn inputs(&self, called: &StepCall) -> Option<u64> {
        self.known(called)?.inputs
    }

    fn recorded(&self, lane: &str, number: usize) -> Option<&RecordedCall> {
        let index = *self.lanes.get(lane)?.get(number)?;
        self.steps.get(index)
    }

    /// The outcome of the compensation of a call, if it has ended.
    pub(crate) fn compensation(&self, step: &StepCall) -> Option<&CompensationOutcome> {
        self.compensations.get(step)
    }

    /// The calls that have to be undone if the saga fails now, or that are still to be undone, last first.
    pub(crate) fn to_compensate(&self) -> impl Iterator<Item = &StepCall> {
        self.steps
            .iter()
            .rev()
            .filter_map(|RecordedCall { call, outcome, .. }| {
                let is_done = match outcome {
                    StepOutcome::Done { .. } => true,
                    StepOutcome::Settled { settled, .. } => {
                        matches!(settled, Settling::Done { .. })
                    }
                    StepOutcome::Refused { .. }
                    | StepOutcome::InDoubt { .. }
                    | StepOutcome::Waiting { .. }
                    | StepOutcome::Over { .. } => false,
                };
                let ended = self.compensation(call);
                let is_open =
                    ended.is_none_or(|outcome| matches!(outcome, CompensationOutcome::Failed(_)));
                (is_done && call.kind == Kind::Compensatable && is_open).then_some(call)
            })
    }

    /// The calls that were undone, or were to be: how each was settled or compensated.
    pub(crate) fn undone(&self) -> impl Iterator<Item = (&StepCall, CompensationOutcome)> {
        let compensated = self.compensations.iter();
        let compensated = compensated.map(|(call, outcome)| (call, outcome.clone()));
        self.settled().chain(compensated)
    }

    /// The calls whose effects are there, or may be there, and are not undone, in order. Skipped ones are among them.
    pub(crate) fn left(&self) -> impl Iterator<Item = &StepCall> {
        let left = |one: &&RecordedCall| {
            let has_effect = match &one.outcome {
                StepOutcome::Done { .. } => one.call.kind != Kind::NothingToUndo,
                StepOutcome::Settled { settled, .. } => match settled {
                    Settling::Done { .. } => one.call.kind != Kind::NothingToUndo,
                    Settling::Unresolved(_) | Settling::Skipped { .. } => true,
                    Settling::Nothing | Settling::Resolved => false,
                },
                StepOutcome::InDoubt { .. } => true,
                StepOutcome::Refused { .. }
                | StepOutcome::Waiting { .. }
                | StepOutcome::Over { .. } => false,
            };
            let is_undone = self
                .compensation(&one.call)
                .is_some_and(CompensationOutcome::is_undone);
            has_effect && !is_undone
        };
        self.steps.iter().filter(left).map(|one| &one.call)
    }
}

#[cfg(test)]
mod tests;
