//! The errors of a coordinator: starting it, submitting and executing sagas, operating on them.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::{self, Display};

use crate::coordinator::{CheckReport, Misfit, OpenWait, Stopped};
use crate::error::SagaError;
use crate::escaped::Escaped;
use crate::id::{InvalidSagaId, SagaId};
use crate::journal::{Damage, JournalError, State, Worker};
use crate::shape::SharedName;

/// The error of [`Builder::start`](crate::coordinator::Builder::start): the coordinator was not started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Two sagas have the same durable name and version.
    #[error(
        "two sagas are called `{name}` and have the version {version}: give one of them another version with \
         `#[saga(version = 2)]`, or another name with `#[saga(name = \"…\")]`"
    )]
    RegisteredTwice {
        /// The name.
        name: &'static str,
        /// The version.
        version: u32,
    },
    /// Two different steps of one saga have the same durable name: the journal could not tell their calls apart.
    #[error(
        "in the saga `{saga}`, `{}` and `{}` are both called `{}`: give one of them another name with `name = \"…\"`",
        .shared.paths[0], .shared.paths[1], .shared.name
    )]
    SharedName {
        /// The durable name of the saga.
        saga: &'static str,
        /// The name, and the two functions.
        shared: SharedName,
    },
    /// A policy is set for a step that no registered saga calls.
    #[error(
        "a policy is set for the step `{}`, but no registered saga calls one of this name: the steps are {}", Escaped(.step), quoted(.known)
    )]
    UnknownStep {
        /// The durable name that was given.
        step: String,
        /// The durable names of the steps of all registered sagas, in order.
        known: Vec<&'static str>,
    },
    /// Open sagas don't fit what is registered, and [`OnMisfit::Refuse`](crate::coordinator::OnMisfit::Refuse) is set.
    #[error("open sagas of the journal don't fit their definitions:\n{0}")]
    Misfits(Box<CheckReport>),
    /// The journal can't be reached or used.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Names in backticks, with commas.
fn quoted(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// The error of [`Coordinator::submit`](crate::Coordinator::submit): the saga was not started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The coordinator rejected the saga. The journal was not asked.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The id belongs to another saga: one with another name or another input.
    #[error("the id `{id}` belongs to another `{}`, with another input", Escaped(.name))]
    Conflict {
        /// The id.
        id: SagaId,
        /// The durable name of the existing saga.
        name: String,
    },
    /// There is a saga with this id, and its record is damaged: its input can't be compared.
    #[error("the saga `{id}` is there already, and damaged: {damage}")]
    Damaged {
        /// The id.
        id: SagaId,
        /// The damage.
        #[source]
        damage: Damage,
    },
    /// The transaction of the caller's that starts the saga (`submit_in`) has not committed, or was rolled back.
    #[error("the transaction that starts the saga `{id}` has not committed")]
    NotCommitted {
        /// The id.
        id: SagaId,
    },
    /// The journal failed. The saga may have been started; it is safe to repeat the call.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// The reason for which a coordinator rejects a saga.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Rejected {
    /// The id is empty or too long.
    #[error(transparent)]
    Id(#[from] InvalidSagaId),
    /// The saga is not registered.
    #[error(
        "the saga `{name}`, version {version}, is not registered with this coordinator: call `.register::<…>()` before `.start()`"
    )]
    NotRegistered {
        /// Its durable name.
        name: &'static str,
        /// Its version.
        version: u32,
    },
    /// A higher version of the saga is registered. The older version only continues sagas that are open.
    #[error(
        "version {highest} of the saga `{name}` is registered: new sagas start with it, and not with version {version}"
    )]
    OldVersion {
        /// Its durable name.
        name: &'static str,
        /// The version of the call.
        version: u32,
        /// The highest registered version.
        highest: u32,
    },
    /// The input can't be serialized, or can't be read back, or is read back as another value: the saga would see something
    /// else after a restart. The text names the field where it can.
    #[error("the input can't be recorded: {}", Escaped(.0))]
    Input(#[source] serde_json::Error),
    /// The input exceeds [`payload_limit`](crate::coordinator::Builder::payload_limit).
    #[error(
        "the input has {bytes} bytes as JSON, and {limit} are allowed: pass a reference to it instead, or raise `payload_limit`"
    )]
    TooLarge {
        /// The size of the input, in bytes of JSON.
        bytes: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The coordinator shuts down.
    #[error("the coordinator shuts down")]
    ShuttingDown,
    /// The runtime on which the coordinator was started has ended.
    #[error(
        "the runtime on which the coordinator was started has ended: start one in each runtime, as in each `#[tokio::test]`"
    )]
    RuntimeEnded,
}

/// The error of [`Coordinator::execute`](crate::Coordinator::execute): the saga did not complete while this caller
/// waited.
#[non_exhaustive]
pub enum ExecuteError<E> {
    /// The saga failed. Every step that may have had an effect is undone, or an operator decided that its effect stays.
    Failed(SagaError<E>),
    /// The saga is stuck: an operator has to decide how it continues.
    Stuck(Stuck<E>),
    /// An operator has ended the saga as it was. Some of its effects may be there.
    Abandoned(Abandoned),
    /// The saga has failed with this error, and what it has done is being undone. Only
    /// [`Handle::decided`](crate::coordinator::Handle::decided) returns this.
    Compensating(SagaError<E>),
    /// The saga continues without this caller: its time limit is over, the coordinator shuts down, another worker took over the saga, or the
    /// journal can't be reached. It has not failed. Call again with the same id and input, or
    /// [attach](crate::Coordinator::attach) to it.
    InProgress {
        /// The id of the saga.
        id: SagaId,
        /// The reason why this caller does not learn the end.
        why: String,
        /// The last known state of the saga, if it is known.
        state: Option<State>,
        /// What the saga waited for then: a time or an event.
        waits: Vec<OpenWait>,
    },
    /// The saga has ended, and was [removed](crate::Coordinator::purge) from the journal. Nothing tells how it has ended.
    Removed {
        /// The id of the saga.
        id: SagaId,
    },
    /// The saga has ended, but its end can't be read: by the type of its output in this program, or because the entry is damaged.
    Unreadable {
        /// The id of the saga.
        id: SagaId,
        /// The final state of the saga.
        state: State,
        /// The problem.
        why: String,
    },
    /// The saga was not started.
    NotStarted(SubmitError),
    /// The journal could not be read. The saga continues.
    Journal(JournalError),
}

impl<E> ExecuteError<E> {
    /// The saga's own error, if it failed: at which step, why, and the outcome of each compensation.
    #[must_use]
    pub fn saga_error(&self) -> Option<&SagaError<E>> {
        match self {
            Self::Failed(error) | Self::Compensating(error) => Some(error),
            Self::Stuck(stuck) => stuck.error.as_ref(),
            Self::Abandoned(_)
            | Self::InProgress { .. }
            | Self::Removed { .. }
            | Self::Unreadable { .. }
            | Self::NotStarted(_)
            | Self::Journal(_) => None,
        }
    }
}

impl<E: Display> Display for ExecuteError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) | Self::Compensating(error) => error.fmt(f),
            Self::Stuck(stuck) => stuck.fmt(f),
            Self::Abandoned(abandoned) => abandoned.fmt(f),
            Self::InProgress {
                id,
                why,
                state,
                waits,
            } => {
                write!(f, "saga `{id}` is still in progress: {}", Escaped(why))?;
                if let Some(state) = state {
                    write!(f, "; it is {state}")?;
                }
                let mut separator = "; it waits for";
                for wait in waits {
                    write!(f, "{separator} `{}`", wait.call)?;
                    separator = ",";
                }
                Ok(())
            }
            Self::Removed { id } => {
                write!(f, "saga `{id}` has ended and was removed from the journal")
            }
            Self::Unreadable { id, state, why } => {
                write!(
                    f,
                    "saga `{id}` is {state}, but its end can't be read: {}",
                    Escaped(why)
                )
            }
            Self::NotStarted(error) => error.fmt(f),
            Self::Journal(error) => error.fmt(f),
        }
    }
}

/// One line, as `Display` writes it. Tests can unwrap results whose error type has no `Debug`.
impl<E: Display> fmt::Debug for ExecuteError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variant = match self {
            Self::Failed(_) => "Failed",
            Self::Stuck(_) => "Stuck",
            Self::Abandoned(_) => "Abandoned",
            Self::Compensating(_) => "Compensating",
            Self::InProgress { .. } => "InProgress",
            Self::Removed { .. } => "Removed",
            Self::Unreadable { .. } => "Unreadable",
            Self::NotStarted(_) => "NotStarted",
            Self::Journal(_) => "Journal",
        };
        write!(f, "{variant}({self})")
    }
}

impl<E: Display> Error for ExecuteError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) | Self::Compensating(error) => error.source(),
            Self::Stuck(stuck) => stuck.error.as_ref()?.source(),
            Self::Abandoned(_)
            | Self::InProgress { .. }
            | Self::Removed { .. }
            | Self::Unreadable { .. } => None,
            Self::NotStarted(error) => error.source(),
            Self::Journal(error) => error.source(),
        }
    }
}

impl<E> From<SubmitError> for ExecuteError<E> {
    fn from(error: SubmitError) -> Self {
        Self::NotStarted(error)
    }
}

impl<E> From<JournalError> for ExecuteError<E> {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

/// A saga that can't continue without an operator's decision.
#[non_exhaustive]
pub struct Stuck<E> {
    /// The id of the saga.
    pub id: SagaId,
    /// The reason, in a sentence.
    pub reason: String,
    /// The saga's error with the failed compensations, if the saga has failed and is undone. If it has failed and is not undone, because
    /// its pivot may have taken effect, only the caller for which it ran has the error; its text is the reason, for every caller.
    pub error: Option<SagaError<E>>,
}

impl<E> Stuck<E> {
    pub(super) fn new(id: &SagaId, reason: impl Into<String>, error: Option<SagaError<E>>) -> Self {
        Self {
            id: id.clone(),
            reason: reason.into(),
            error,
        }
    }
}

impl<E> Display for Stuck<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = Escaped(&self.reason);
        write!(f, "saga `{}` is stuck: {reason}", self.id)
    }
}

impl<E> fmt::Debug for Stuck<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stuck({self})")
    }
}

/// A saga that an operator has ended as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Abandoned {
    /// The id of the saga.
    pub id: SagaId,
    /// The operator's reason.
    pub reason: String,
    /// The calls whose effects are not undone, or may be there: `charge`, `reserve#1`, `pack/reserve`. `?` stands for a step that
    /// may have been requested after the last entry that can be read.
    pub left: Vec<String>,
}

impl Abandoned {
    pub(super) fn new(id: &SagaId, reason: &str, left: &[String]) -> Self {
        Self {
            id: id.clone(),
            reason: reason.to_owned(),
            left: left.to_owned(),
        }
    }
}

impl Display for Abandoned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = Escaped(&self.reason);
        write!(f, "saga `{}` was abandoned: {reason}; ", self.id)?;
        match &*self.left {
            [] => f.write_str("nothing is left to undo"),
            left => write!(f, "not undone: {}", Escaped(left.join(", "))),
        }
    }
}

/// The error of an operator's call: the coordinator could not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperatorError {
    /// No saga has this id.
    #[error("there is no saga with this id")]
    Unknown,
    /// The saga has ended.
    #[error("the saga is {0} already: nothing can be changed any more")]
    Final(State),
    /// The saga is past its pivot, so it can't be cancelled.
    #[error("the saga is past its pivot: it can only go forward; `abandon` ends it as it is")]
    PastPivot,
    /// The saga is not stuck, so there is nothing to decide about it.
    #[error(
        "the saga is not stuck, but {0}: it goes on by itself; `cancel` undoes it, `abandon` ends it as it is"
    )]
    NotStuck(State),
    /// The saga is stuck: it takes no events and no cancellation until an operator has decided how it goes on.
    #[error(
        "the saga is stuck: decide first how it goes on, with `retry` or with a decision about each step that is open, or end it \
         with `abandon`"
    )]
    Stuck,
    /// The saga is not stuck yet, but its definition does not fit its records: its body can't run, so it can't undo the saga.
    #[error(
        "the saga does not fit its definition, and will be stuck with `{code}`: {}; `compensate` undoes it from its record, \
         `abandon` ends it as it is, and a definition that fits lets it go on",
        Escaped(.message)
    )]
    Misfit {
        /// The code with which it will be stuck: `definition_changed`, `unreadable`, …
        code: Cow<'static, str>,
        /// The reason, in a sentence.
        message: String,
    },
    /// The name and version of the saga are not registered here, so the saga does not go on, and there is nothing to decide about it.
    #[error(
        "saga `{}`, version {version}, is not registered here, and is not stuck: it goes on where it is registered; `compensate` \
         undoes it from its record, `abandon` ends it as it is",
        Escaped(.name)
    )]
    NotRegistered {
        /// Its durable name.
        name: String,
        /// Its version.
        version: u32,
    },
    /// Another worker holds the saga, and the journal does not reach its process.
    #[error("the saga is held by worker {0}: ask there, or again when its lease has run out")]
    Held(Worker),
    /// The step does not need this decision. For most it has to be in doubt, or its compensation has to have failed.
    #[error(
        "nothing of this kind is to be decided about step `{}`; an operator can decide about: {}",
        Escaped(.step),
        Escaped(.open)
    )]
    NothingToDecide {
        /// The step in the call.
        step: String,
        /// The steps that need a decision, separated by commas.
        open: String,
    },
    /// The saga is being undone, so a step that can't be undone can't count as done.
    #[error(
        "step `{}` can't count as done, because the saga is being undone: `skip_compensation` records that its effect stays",
        Escaped(.step)
    )]
    GoesBack {
        /// The step in the call.
        step: String,
    },
    /// The saga keeps no event with this name that no wait has taken.
    #[error(
        "the saga keeps no event `{}` that is still to be taken; it keeps: {}",
        Escaped(.event),
        Escaped(.kept)
    )]
    NoEvent {
        /// The event in the call.
        event: String,
        /// The names of the events that it keeps, separated by commas.
        kept: String,
    },
    /// The given output or event value can't be serialized, or is too large.
    #[error("the value can't be recorded: {}", Escaped(.0))]
    Output(#[source] serde_json::Error),
    /// The code of the step is not known here, so nothing can tell if its type can read the given output.
    #[error(
        "step `{}` is not registered here, so nothing can check its output: register its saga, or the step alone with \
         `Builder::register_step`; `abandon` ends the saga as it is",
        Escaped(.step)
    )]
    UnknownStep {
        /// The step in the call.
        step: String,
    },
    /// The type of the step can't read the given output.
    #[error("step `{}` can't have this output: {}", Escaped(.step), Escaped(.error))]
    Unreadable {
        /// The step in the call.
        step: String,
        /// The problem.
        #[source]
        error: serde_json::Error,
    },
    /// The id belongs to a saga of another type.
    #[error("the saga is a `{}`", Escaped(.name))]
    OtherSaga {
        /// Its durable name.
        name: String,
    },
    /// The saga's entries can't be read.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The coordinator shuts down.
    #[error("the coordinator shuts down")]
    ShuttingDown,
    /// The runtime on which the coordinator was started has ended.
    #[error(
        "the runtime on which the coordinator was started has ended: start one in each runtime, as in each `#[tokio::test]`"
    )]
    RuntimeEnded,
    /// Another worker took over the saga meanwhile.
    #[error("the saga was taken over by another worker meanwhile")]
    TakenOver,
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl From<Misfit> for OperatorError {
    fn from(misfit: Misfit) -> Self {
        let Misfit { code, message, .. } = misfit;
        Self::Misfit { code, message }
    }
}

impl From<Stopped> for OperatorError {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::ShuttingDown => Self::ShuttingDown,
            Stopped::RuntimeEnded => Self::RuntimeEnded,
        }
    }
}
