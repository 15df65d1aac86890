//! The events of a saga's history: one per outcome. Payloads are JSON text.

use std::borrow::Cow;
use std::time::SystemTime;

use crate::error::Reason;
use crate::escaped::Escaped;
use crate::meta::{AttemptPhase, Kind};

/// One entry of a saga's history.
///
/// ```text
/// forward     ( StepDone | Waiting? WaitOver | Value )*  ( StepRefused | StepInDoubt StepSettled )?  Completed
/// a part that fails, and whose failure the body handles: StepRefused  ( CompensationDone | CompensationFailed )*, then forward
/// forward, backward  Failing
/// backward    Compensating  ( CompensationDone | CompensationFailed )*  ( Compensated | Stuck )
/// from others Received EventSetAside?
/// by hand     Retried, CompensationResolved, CompensationSkipped, StepCompleted: only while stuck
/// by hand     Abandoned: at any time before the end
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A step is done.
    StepDone {
        /// The call.
        step: StepCall,
        /// The number of its attempts since the saga was last claimed.
        attempts: u32,
        /// Its output.
        output: String,
        /// The digest of its inputs, as far as they are covered. An entry of an older version has none.
        inputs: Option<u64>,
    },
    /// A step has refused; nothing of it needs to be undone. Or a called saga has failed, and the body that calls it handles that: the
    /// steps of that saga are undone next, and then the body goes on.
    StepRefused {
        /// The call.
        step: StepCall,
        /// The number of its attempts since the saga was last claimed.
        attempts: u32,
        /// The reason.
        reason: Reason,
    },
    /// A step has no definite answer. It is not attempted as part of the way forward any more: it is settled.
    StepInDoubt {
        /// The call.
        step: StepCall,
        /// The number of its attempts since the saga was last claimed.
        attempts: u32,
        /// The reason why it was given up.
        reason: Reason,
    },
    /// A step in doubt is settled.
    StepSettled {
        /// The call.
        step: StepCall,
        /// The outcome for its effect.
        settled: Settled,
    },
    /// Attempts for a call have failed, and the saga is released until the next one is due. A retry that ends before the saga
    /// is released leaves no such entry.
    Failing {
        /// The call.
        step: StepCall,
        /// The phase of the attempts.
        phase: AttemptPhase,
        /// The number of attempts so far, over all claims.
        attempts: u32,
        /// How many of them came before this phase.
        earlier: u32,
        /// True if one of them may have had an effect.
        in_doubt: bool,
        /// The last error. Its text is cut at [`MAX_TEXT`](Self::MAX_TEXT) bytes.
        reason: Reason,
        /// The time of the first failure of this phase, in whole milliseconds.
        since: SystemTime,
        /// The time of the next attempt, in whole milliseconds.
        until: SystemTime,
    },
    /// The saga is undone: from here on no step is requested.
    Compensating {
        /// The name of the call at which it failed, if it was one of a step: `subscribe`, or `subscribe#1` for the second. An older
        /// version has written the name of the step alone.
        step: Option<Cow<'static, str>>,
        /// The reason of the failure.
        reason: Reason,
    },
    /// A step is compensated: because the saga is undone, or a part of it with this step, whose failure the body handles.
    CompensationDone {
        /// The call.
        step: StepCall,
        /// The number of attempts of its compensation since the saga was last claimed.
        attempts: u32,
    },
    /// A compensation has failed for good.
    CompensationFailed {
        /// The call.
        step: StepCall,
        /// The number of its attempts since the saga was last claimed.
        attempts: u32,
        /// The text of the last error.
        message: String,
    },
    /// The saga has completed.
    Completed {
        /// Its output.
        output: String,
    },
    /// The saga has failed, and every step that may have had an effect is undone.
    Compensated,
    /// The saga can't go on by itself.
    Stuck {
        /// The reason, in a sentence for an operator.
        reason: Reason,
    },
    /// An operator has let a stuck saga try again what failed.
    Retried {
        /// The reason.
        reason: String,
    },
    /// An operator has undone a step by hand.
    CompensationResolved {
        /// The call.
        step: StepCall,
        /// The reason.
        reason: String,
    },
    /// An operator has decided that a step stays as it is.
    CompensationSkipped {
        /// The call.
        step: StepCall,
        /// The reason.
        reason: String,
    },
    /// The body of the saga has asked for the time, or for a random id.
    Value {
        /// The question: `now` or `uuid`, and how many of the same came before.
        of: StepCall,
        /// The answer.
        value: String,
    },
    /// The saga begins to wait for a time or an event.
    Waiting {
        /// The call: `sleep`, `event:approved`, or `event:paid|declined` for the first of two.
        step: StepCall,
        /// Until when, in whole milliseconds.
        until: Option<SystemTime>,
    },
    /// An event was sent to the saga. It may come at any time before the end.
    Received {
        /// The name of the event.
        name: Cow<'static, str>,
        /// Its payload.
        payload: String,
        /// The sender's key, if it gave one: of events with the same name and key only the first that the saga can read counts.
        key: Option<String>,
    },
    /// An event that was sent to the saga can't be read by it. It is set aside, and the wait goes on.
    EventSetAside {
        /// The name of the event.
        name: Cow<'static, str>,
        /// Which of the events that were sent to the saga, counted from 0 over all names.
        number: u64,
        /// The reason why it can't be read.
        message: String,
    },
    /// The saga does not wait any more.
    WaitOver {
        /// The call.
        step: StepCall,
        /// Which of the events that were sent to the saga has come, counted from 0 over all names; none if the time is over.
        received: Option<u64>,
    },
    /// An operator has found out that a step in doubt was done.
    StepCompleted {
        /// The call.
        step: StepCall,
        /// Its output, or the output that it would have had.
        output: String,
        /// The reason.
        reason: String,
    },
    /// An operator has ended the saga as it is. Nothing is undone any more.
    Abandoned {
        /// The reason.
        reason: String,
        /// The calls whose effects are not undone, or may be there: `charge`, `reserve#1`, `pack/reserve`. `?` stands for a step
        /// that may have been requested after the last entry.
        left: Vec<String>,
    },
}

impl Event {
    /// The most bytes of an error's text in a [`Failing`](Self::Failing) entry.
    pub const MAX_TEXT: usize = 4096;

    /// All names of events in journals, the frequent ones first.
    pub const NAMES: [&'static str; 24] = [
        "step_done",
        "completed",
        "waiting",
        "wait_over",
        "received",
        "value",
        "step_refused",
        "step_in_doubt",
        "step_settled_nothing",
        "step_settled_done",
        "step_settled_resolved",
        "step_settled_unresolved",
        "compensating",
        "compensation_done",
        "compensation_failed",
        "compensated",
        "stuck",
        "retried",
        "compensation_resolved",
        "compensation_skipped",
        "step_completed",
        "abandoned",
        "event_set_aside",
        "failing",
    ];

    /// The name of the event in journals.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::StepDone { .. } => "step_done",
            Self::StepRefused { .. } => "step_refused",
            Self::StepInDoubt { .. } => "step_in_doubt",
            Self::StepSettled { settled, .. } => match settled {
                Settled::Nothing { .. } => "step_settled_nothing",
                Settled::Done { .. } => "step_settled_done",
                Settled::Resolved => "step_settled_resolved",
                Settled::Unresolved { .. } => "step_settled_unresolved",
            },
            Self::Failing { .. } => "failing",
            Self::Compensating { .. } => "compensating",
            Self::CompensationDone { .. } => "compensation_done",
            Self::CompensationFailed { .. } => "compensation_failed",
            Self::Completed { .. } => "completed",
            Self::Compensated => "compensated",
            Self::Stuck { .. } => "stuck",
            Self::Retried { .. } => "retried",
            Self::CompensationResolved { .. } => "compensation_resolved",
            Self::CompensationSkipped { .. } => "compensation_skipped",
            Self::StepCompleted { .. } => "step_completed",
            Self::Abandoned { .. } => "abandoned",
            Self::Value { .. } => "value",
            Self::Waiting { .. } => "waiting",
            Self::Received { .. } => "received",
            Self::EventSetAside { .. } => "event_set_aside",
            Self::WaitOver { .. } => "wait_over",
        }
    }

    /// The call of a step that the event is about.
    #[must_use]
    pub fn step(&self) -> Option<&StepCall> {
        match self {
            Self::StepDone { step, .. }
            | Self::StepRefused { step, .. }
            | Self::StepInDoubt { step, .. }
            | Self::StepSettled { step, .. }
            | Self::Failing { step, .. }
            | Self::CompensationDone { step, .. }
            | Self::CompensationFailed { step, .. }
            | Self::CompensationResolved { step, .. }
            | Self::CompensationSkipped { step, .. }
            | Self::StepCompleted { step, .. }
            | Self::Waiting { step, .. }
            | Self::WaitOver { step, .. } => Some(step),
            Self::Compensating { .. }
            | Self::Completed { .. }
            | Self::Compensated
            | Self::Stuck { .. }
            | Self::Retried { .. }
            | Self::Value { .. }
            | Self::Received { .. }
            | Self::EventSetAside { .. }
            | Self::Abandoned { .. } => None,
        }
    }

    /// Cuts the text of an error at [`MAX_TEXT`](Self::MAX_TEXT) bytes. A service that is down may say much, and often.
    pub(crate) fn cut_text(&mut self) {
        let text = match self {
            Self::StepRefused { reason, .. }
            | Self::StepInDoubt { reason, .. }
            | Self::Failing { reason, .. }
            | Self::Compensating { reason, .. }
            | Self::Stuck { reason } => &mut reason.message,
            Self::CompensationFailed { message, .. }
            | Self::EventSetAside { message, .. }
            | Self::StepSettled {
                settled: Settled::Unresolved { message, .. },
                ..
            } => message,
            _ => return,
        };
        if text.len() > Self::MAX_TEXT {
            text.truncate(text.floor_char_boundary(Self::MAX_TEXT));
        }
    }

    /// Returns whether the saga's claim ends with this entry.
    #[must_use]
    pub fn ends_claim(&self) -> bool {
        matches!(
            self,
            Self::Completed { .. }
                | Self::Compensated
                | Self::Stuck { .. }
                | Self::Abandoned { .. }
        )
    }
}

/// One call of a step in a saga.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StepCall {
    /// The durable name of the step. For a step of a saga that was called by another one, that one's name stands before
    /// it: `place_order/charge`, or `place_order#1/charge` in its second call.
    pub name: Cow<'static, str>,
    /// The number of earlier calls of the same step: 0 for the first.
    pub occurrence: u32,
    /// The kind of the step: how it is undone.
    pub kind: Kind,
}

impl StepCall {
    /// The saga that has called the step, if that was called by another one: all of the name before the last `/`.
    pub(crate) fn lane(&self) -> &str {
        self.name.rsplit_once('/').map_or("", |(lane, _)| lane)
    }

    /// The key that no other call of the saga has.
    pub(crate) fn into_key(self) -> (Cow<'static, str>, u32) {
        (self.name, self.occurrence)
    }

    /// The call in words, with how it is undone.
    pub(crate) fn words(&self) -> String {
        if self.is_wait() {
            format!("the wait `{self}`")
        } else {
            format!("step `{self}` ({})", self.kind)
        }
    }

    /// Returns whether the call is no step, but a wait for an event or for a time.
    pub(crate) fn is_wait(&self) -> bool {
        self.awaited().is_some() || self.name.rsplit('/').next() == Some("sleep")
    }

    /// The name of the event, if this is a wait for exactly one: what stands behind `event:`. See [`events`](Self::events).
    #[must_use]
    pub fn event(&self) -> Option<&str> {
        self.awaited().filter(|names| !names.contains('|'))
    }

    /// The names of the events that end this wait, whichever is first: `paid` and `declined` of `event:paid|declined`. None
    /// if this is no wait for an event.
    pub fn events(&self) -> impl Iterator<Item = &str> {
        self.awaited()
            .into_iter()
            .flat_map(|names| names.split('|'))
    }

    /// Returns whether this is a wait that ends with this event.
    #[must_use]
    pub fn is_ended_by(&self, event: &str) -> bool {
        self.events().any(|one| one == event)
    }

    /// What stands behind `event:`, if this is a wait for an event.
    fn awaited(&self) -> Option<&str> {
        let (_, name) = self.name.rsplit_once('/').unwrap_or(("", &self.name));
        name.strip_prefix("event:")
    }
}

impl std::fmt::Display for StepCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.occurrence {
            0 => Escaped(&self.name).fmt(f),
            occurrence => write!(f, "{}#{occurrence}", Escaped(&self.name)),
        }
    }
}

/// The outcome for the effect of a step in doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// There is none, or none that needs undoing.
    Nothing {
        /// The answer of the step when it was asked again, if it was a refusal: a body that handles its errors gets that.
        /// `None` where an earlier version has recorded it.
        refusal: Option<Reason>,
    },
    /// It has happened, and the step gave this output.
    Done {
        /// Its output.
        output: String,
    },
    /// The step's resolver has undone whatever there was.
    Resolved,
    /// It could not be found out, or not be undone.
    Unresolved {
        /// The number of its attempts since the saga was last claimed.
        attempts: u32,
        /// The text of the last error.
        message: String,
    },
}
