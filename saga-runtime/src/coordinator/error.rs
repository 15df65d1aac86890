//! What can go wrong between a caller and a coordinator.

use std::error::Error;
use std::fmt::{self, Display};

use crate::coordinator::Stopped;
use crate::error::SagaError;
use crate::id::{InvalidSagaId, SagaId};
use crate::journal::{Damage, JournalError, State, Worker};

/// A coordinator could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Two sagas have the same durable name.
    #[error(
        "two sagas are called `{name}`: give one of them another name with `#[saga(name = \"…\")]`"
    )]
    RegisteredTwice {
        /// The name.
        name: &'static str,
    },
    /// The journal can't be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// A saga was not started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// It can't be started.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// There is another saga with this id: of another name, or with another input.
    #[error("the id `{id}` belongs to another `{name}`, with another input")]
    Conflict {
        /// The id.
        id: SagaId,
        /// The durable name of the saga that is there.
        name: String,
    },
    /// The journal could not do it. The saga may have been started; the same call again is safe.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Why a saga can't be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Rejected {
    /// Its id can't be one.
    #[error(transparent)]
    Id(#[from] InvalidSagaId),
    /// The coordinator does not know it.
    #[error(
        "the saga `{name}` is not registered with this coordinator: call `.register::<…>()` before `.start()`"
    )]
    NotRegistered {
        /// Its durable name.
        name: &'static str,
    },
    /// Its input can't be written down.
    #[error("the input can't be written down: {0}")]
    Input(#[source] serde_json::Error),
    /// Its input is too large.
    #[error(
        "the input has {bytes} bytes as JSON, and {limit} are allowed: pass a reference to it instead, or raise `payload_limit`"
    )]
    TooLarge {
        /// The bytes that it has.
        bytes: usize,
        /// The bytes that it may have.
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

/// A saga did not complete, as far as this caller knows.
#[non_exhaustive]
pub enum ExecuteError<E> {
    /// It failed, and every step that may have had an effect is undone, or an operator has decided that it stays.
    Failed(SagaError<E>),
    /// It can't go on by itself: an operator has to look at it.
    Stuck(Stuck<E>),
    /// It goes on without this caller: its coordinator shuts down, somebody else has taken it over, or the journal can't be
    /// reached. It has not failed. Ask again with the same id and input, or [attach](crate::Coordinator::attach) to it.
    InProgress {
        /// The saga.
        id: SagaId,
        /// Why this caller is not told its end.
        why: String,
    },
    /// It was not started.
    NotStarted(SubmitError),
    /// The journal could not be read. The saga goes on.
    Journal(JournalError),
}

impl<E> ExecuteError<E> {
    /// The saga's own failure, if it has one: where, why, and what has become of the other steps.
    #[must_use]
    pub fn saga_error(&self) -> Option<&SagaError<E>> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Stuck(stuck) => stuck.error.as_ref(),
            Self::InProgress { .. } | Self::NotStarted(_) | Self::Journal(_) => None,
        }
    }
}

impl<E: Display> Display for ExecuteError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Stuck(stuck) => stuck.fmt(f),
            Self::InProgress { id, why } => write!(f, "saga `{id}` is still in progress: {why}"),
            Self::NotStarted(error) => error.fmt(f),
            Self::Journal(error) => error.fmt(f),
        }
    }
}

/// One line, like `Display`: an error type that has no `Debug` can still be unwrapped in a test.
impl<E: Display> fmt::Debug for ExecuteError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variant = match self {
            Self::Failed(_) => "Failed",
            Self::Stuck(_) => "Stuck",
            Self::InProgress { .. } => "InProgress",
            Self::NotStarted(_) => "NotStarted",
            Self::Journal(_) => "Journal",
        };
        write!(f, "{variant}({self})")
    }
}

impl<E: Error + 'static> Error for ExecuteError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => error.source(),
            Self::Stuck(stuck) => stuck.error.as_ref()?.source(),
            Self::InProgress { .. } => None,
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

/// A saga that can't go on by itself.
#[non_exhaustive]
pub struct Stuck<E> {
    /// The saga.
    pub id: SagaId,
    /// Why, in a sentence.
    pub reason: String,
    /// Its failure, if this process has seen it: the compensations that failed are in there.
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
        write!(f, "saga `{}` is stuck: {}", self.id, self.reason)
    }
}

impl<E> fmt::Debug for Stuck<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stuck({self})")
    }
}

/// What an operator asked for could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperatorError {
    /// There is no such saga.
    #[error("there is no saga with this id")]
    Unknown,
    /// The saga has ended.
    #[error("the saga is {0} already")]
    Final(State),
    /// The saga only goes forward.
    #[error("the saga is past its pivot: it can only go forward")]
    PastPivot,
    /// Only a stuck saga can be changed by hand.
    #[error("the saga is not stuck, but {0}: it goes on by itself")]
    NotStuck(State),
    /// Nothing can be sent to a stuck saga.
    #[error("the saga is stuck: it takes no events until an operator lets it go on")]
    Stuck,
    /// Another worker holds it.
    #[error("the saga is held by worker {0}")]
    Held(Worker),
    /// There is nothing to decide about this step.
    #[error(
        "step `{step}` of the saga is neither in doubt nor has its compensation failed; these are: {open}"
    )]
    NothingToDecide {
        /// What was asked for.
        step: String,
        /// What could be, separated by commas.
        open: String,
    },
    /// The output of a step can't be written down.
    #[error("the output can't be written down: {0}")]
    Output(#[source] serde_json::Error),
    /// It is another saga.
    #[error("the saga is a `{name}`")]
    OtherSaga {
        /// Its durable name.
        name: String,
    },
    /// What is written down of the saga can't be read.
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
    /// The saga was taken over by somebody else meanwhile.
    #[error("the saga was taken over by somebody else meanwhile")]
    TakenOver,
    /// The journal could not do it.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl From<Stopped> for OperatorError {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::ShuttingDown => Self::ShuttingDown,
            Stopped::RuntimeEnded => Self::RuntimeEnded,
        }
    }
}
