//! The commands of operators as data: what each needs, which of them a saga takes now, and the answers.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::coordinator::{Effect, OperatorError};
use crate::escaped::Escaped;
use crate::journal::history::ReplayState;
use crate::journal::{JournalError, Record, State, StepCall};

/// A command on one saga. Steps are named as the history shows them: `charge`, `charge#1`, `pack/charge`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
#[non_exhaustive]
pub enum SagaCommand {
    /// Tries again what has failed: see [`Coordinator::retry`](crate::Coordinator::retry).
    Retry,
    /// The operator has undone a step by hand.
    Resolve {
        /// The step.
        step: String,
    },
    /// The effect of a step stays.
    Skip {
        /// The step.
        step: String,
    },
    /// A step in doubt was done, with this output.
    Complete {
        /// The step.
        step: String,
        /// Its output, as JSON.
        output: Value,
    },
    /// Undoes the saga from its record, without its body. It needs the code of the steps.
    Compensate,
    /// Ends the saga as it is.
    Abandon,
    /// Undoes a saga that goes forward.
    Cancel,
    /// Drops the oldest event with this name that was sent to the saga and that no wait has taken.
    #[serde(rename = "drop")]
    DropEvent {
        /// The name of the event.
        event: String,
    },
    /// Sends an event to the saga.
    #[serde(rename = "send")]
    SendEvent {
        /// The name of the event.
        event: String,
        /// Its value, as JSON.
        value: Value,
    },
}

impl SagaCommand {
    /// The name, as the command line has it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Resolve { .. } => "resolve",
            Self::Skip { .. } => "skip",
            Self::Complete { .. } => "complete",
            Self::Compensate => "compensate",
            Self::Abandon => "abandon",
            Self::Cancel => "cancel",
            Self::DropEvent { .. } => "drop",
            Self::SendEvent { .. } => "send",
        }
    }

    /// The step or the event that it is about, if it is about one.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        match self {
            Self::Resolve { step } | Self::Skip { step } | Self::Complete { step, .. } => {
                Some(step)
            }
            Self::SendEvent { event, .. } | Self::DropEvent { event } => Some(event),
            Self::Retry | Self::Compensate | Self::Abandon | Self::Cancel => None,
        }
    }
}

impl fmt::Display for SagaCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self.target() {
            Some(target) => write!(f, " {}", Escaped(target)),
            None => Ok(()),
        }
    }
}

/// A command that a saga takes now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Possible {
    /// The [name](SagaCommand::name) of the command.
    pub command: String,
    /// The step or the event that it would be about.
    pub target: Option<String>,
    /// What would follow, in a sentence.
    pub effect: String,
}

impl Possible {
    /// A command with this [name](SagaCommand::name), and what would follow.
    #[must_use]
    pub fn new(command: &str, effect: impl Into<String>) -> Self {
        Self {
            command: command.to_owned(),
            target: None,
            effect: effect.into(),
        }
    }

    /// The same, about this step or event.
    #[must_use]
    pub fn about(self, target: impl Into<String>) -> Self {
        Self {
            target: Some(target.into()),
            ..self
        }
    }

    /// Returns whether it is this command.
    #[must_use]
    pub fn is(&self, command: &SagaCommand) -> bool {
        self.command == command.name()
            && (self.target.is_none() || self.target.as_deref() == command.target())
    }
}

/// The commands that a saga takes now, as far as its history tells. `has_code` says if the code of a call can check an output.
pub(super) fn possible(
    record: &Record,
    history: &ReplayState,
    is_damaged: bool,
    has_code: impl Fn(&StepCall) -> bool,
) -> Vec<Possible> {
    if record.state.is_final() {
        return Vec::new();
    }
    let can_go_back = !history.only_goes_forward();
    let is_readable = !is_damaged || history.is_undone_by_record();
    let mut possible = Vec::new();
    if record.state == State::Stuck && is_readable {
        possible.push(Possible::new(
            "retry",
            "tries again what has failed; the saga goes on from there",
        ));
    }
    if is_readable {
        possible.extend(decisions(history, has_code));
    }
    if record.state != State::Stuck {
        for (call, _) in history.waits() {
            for event in call.events() {
                let send = format!("gives the saga the event `{event}` that it waits for");
                possible.push(Possible::new("send", send).about(event));
            }
        }
        let kept: BTreeSet<&str> = history.untaken().map(|(_, event)| &*event.name).collect();
        for event in kept.into_iter().filter(|_| !is_damaged) {
            let drop = format!(
                "drops the event `{event}` that was sent and not taken yet, so that the right one can be sent"
            );
            possible.push(Possible::new("drop", drop).about(event));
        }
    }
    // The body of any other saga goes on.
    let does_not_go_on = record.state == State::Stuck
        || record.is_registered == Some(false)
        || record.misfit.is_some();
    if can_go_back && does_not_go_on {
        possible.push(Possible::new(
            "compensate",
            "undoes the saga from its record, without running its body",
        ));
    }
    if !is_damaged && can_go_back && record.misfit.is_none() {
        if record.state == State::Stuck && history.can_go_back_by_its_body() {
            let cancel = "goes on only to undo what was done";
            possible.push(Possible::new("cancel", cancel));
        } else if record.state != State::Stuck && history.decision().is_none() {
            let cancel = "lets the attempt under way end, and undoes what was done";
            possible.push(Possible::new("cancel", cancel));
        }
    }
    possible.push(Possible::new(
        "abandon",
        "ends the saga as it is; nothing more is undone, and the history lists what stays",
    ));
    possible
}

/// The decisions about calls that the saga takes now: about those in doubt, and about those whose attempts or compensations fail.
fn decisions(history: &ReplayState, has_code: impl Fn(&StepCall) -> bool) -> Vec<Possible> {
    let goes_back = history.decision().is_some();
    let mut decisions = Vec::new();
    for call in history.decidable() {
        let (name, occurrence) = (&*call.name, call.occurrence as usize);
        let by_hand =
            |command, effect: &str| Possible::new(command, effect).about(call.to_string());
        if history.undoable(name, occurrence).is_some() {
            let resolve =
                format!("records that you have undone `{call}` by hand; the saga goes on");
            let skip =
                format!("leaves the effect of `{call}`, for ever on record; the saga goes on");
            decisions.extend([by_hand("resolve", &resolve), by_hand("skip", &skip)]);
        }
        let can_be_done = has_code(call) && !(goes_back && call.kind.closes_the_way_back());
        if can_be_done && history.completable(name, occurrence).is_some() {
            let complete = format!("records that `{call}` was done, with the output that you give");
            decisions.push(by_hand("complete", &complete));
        }
    }
    decisions
}

/// The answer to a command that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Accepted {
    /// `done`: the decision is recorded and stands. `requested`: it is recorded, and heard when the attempt under way has
    /// ended.
    pub effect: String,
    /// How the command was carried out, in a sentence.
    pub how: String,
}

impl Accepted {
    pub(super) fn new(effect: Effect, how: &str) -> Self {
        let effect = match effect {
            Effect::Done => "done",
            Effect::Requested => "requested",
        };
        Self {
            effect: effect.to_owned(),
            how: how.to_owned(),
        }
    }
}

impl Accepted {
    /// Says which service has carried out the command, at this address.
    #[must_use]
    pub fn by(self, address: &str) -> Self {
        let how = format!("the service at {address} has recorded it");
        Self { how, ..self }
    }

    /// Adds which service has carried out the command, at this address.
    #[must_use]
    pub fn at(self, address: &str) -> Self {
        let how = format!("{} (the service at {address})", self.how);
        Self { how, ..self }
    }
}

/// The reason why nothing has happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct Refusal {
    /// The kind of the reason, in a word: `unknown`, `final`, `not_stuck`, `past_pivot`, `held`, …
    pub code: String,
    /// The reason and what helps, in a sentence.
    pub message: String,
}

impl Refusal {
    /// Creates a refusal.
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
        }
    }

    /// No saga has this id.
    pub(super) fn unknown() -> Self {
        OperatorError::Unknown.into()
    }
}

impl From<OperatorError> for Refusal {
    fn from(error: OperatorError) -> Self {
        let code = match &error {
            OperatorError::Unknown => "unknown",
            OperatorError::Final(_) => "final",
            OperatorError::PastPivot => "past_pivot",
            OperatorError::NotStuck(_) => "not_stuck",
            OperatorError::Misfit { .. } => "misfit",
            OperatorError::NotRegistered { .. } => "not_registered",
            OperatorError::UnknownStep { .. } => "unknown_step",
            OperatorError::Stuck => "stuck",
            OperatorError::Held(_) | OperatorError::TakenOver => "held",
            OperatorError::NothingToDecide { .. } => "nothing_to_decide",
            OperatorError::GoesBack { .. } => "goes_back",
            OperatorError::NoEvent { .. } => "no_event",
            OperatorError::Output(_) | OperatorError::Unreadable { .. } => "unreadable",
            OperatorError::OtherSaga { .. } => "other_saga",
            OperatorError::Damaged(_) => "damaged",
            OperatorError::ShuttingDown | OperatorError::RuntimeEnded => "shutting_down",
            OperatorError::Journal(_) => "journal",
        };
        Self::new(code, error.to_string())
    }
}

impl From<JournalError> for Refusal {
    fn from(error: JournalError) -> Self {
        OperatorError::from(error).into()
    }
}
