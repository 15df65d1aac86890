//! The error of a failed saga: the step, the typed cause, and every compensation in the order in which they ended.

use std::borrow::Cow;
use std::convert::Infallible;
use std::error::Error;
use std::fmt::{self, Display};
use std::time::Duration;

mod compensation;
mod duration;
mod reason;
mod source;

use crate::call_name;
use crate::escaped::Escaped;
use crate::id::SagaId;
use crate::panic::{replace_caught, text};

pub use compensation::{Compensation, CompensationFailure, CompensationOutcome};
pub use reason::Reason;
pub use source::{HoldsError, IsError, IsText, SourceOf};

pub(crate) use source::FindSource;

/// The error of a failed saga: the step, the typed cause, and the outcome of each compensation.
///
/// It is an [`Error`] for every error of a saga, also for a text: `?` converts it into `Box<dyn Error>` or
/// `anyhow::Error`. `Display` writes one line. [`source`](Error::source) is the error that the saga's body returned, if that
/// is an [`Error`] or holds one, as `Box<dyn Error + Send + Sync>` does.
///
/// ```text
/// saga `place_order` failed at step `charge`: card declined; compensated: `create_order`
/// ```
pub struct SagaError<E>(Box<Details<E>>);

struct Details<E> {
    saga: &'static str,
    id: Option<SagaId>,
    /// The name of the call at which it failed.
    call: Option<Cow<'static, str>>,
    cause: Cause<E>,
    compensations: Vec<Compensation>,
    past_pivot: bool,
    source: FindSource<E>,
}

/// The reason why a saga is stopped from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Interruption {
    /// A caller or an operator cancelled the saga.
    Cancelled,
    /// The deadline passed before the pivot.
    DeadlineExceeded,
}

impl Interruption {
    /// Returns whether a recorded reason with this code is an interruption.
    pub(crate) fn is_named(code: &str) -> bool {
        [CANCELLED, DEADLINE_EXCEEDED].contains(&code)
    }
}

impl fmt::Display for Interruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cancelled => "cancelled",
            Self::DeadlineExceeded => "deadline exceeded",
        })
    }
}

/// The cause of a saga's failure.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause<E> {
    /// The body returned this error: the refusal of a step, or an error of its own.
    Error(E),
    /// An attempt of a step exceeded its time limit.
    TimedOut {
        /// The limit of the attempt.
        after: Duration,
    },
    /// A step, or the body, panicked.
    Panicked {
        /// The panic's text.
        message: String,
    },
    /// A step whose error the body handles ended in doubt: its error does not tell whether the step took effect.
    InDoubt {
        /// The error's text.
        message: String,
    },
    /// A called saga or a group has failed, and the body handles that; but a part of it could not be undone, so the body does not
    /// go on.
    NotUndone {
        /// The text of the error that the body would have got.
        message: String,
    },
    /// A caller or an operator cancelled the saga.
    Cancelled,
    /// The deadline passed before the pivot.
    DeadlineExceeded,
    /// Only the text of the saga's error is recorded. The error's type is not `Serialize + Deserialize`, and the saga failed before
    /// this caller asked, or in an earlier process; or the error can't be read back or has more than 64 KiB as JSON; or an older
    /// version has recorded it.
    Recorded {
        /// The text.
        message: String,
    },
    /// A step's output, or its error that the body handles, can't be recorded: it is too large, or can't be serialized, or would
    /// be read back as another value.
    Unrecordable {
        /// What can't be recorded, and the problem.
        message: String,
    },
    /// The value of an event is not of the expected type.
    Unreadable {
        /// The problem.
        message: String,
    },
}

impl<E> Cause<E> {
    /// The kind of the cause, in a word: `error`, `timed_out`, `panicked`, … It is recorded beside the text.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Error(_) => "error",
            Self::TimedOut { .. } => "timed_out",
            Self::Panicked { .. } => "panicked",
            Self::InDoubt { .. } => "in_doubt",
            Self::NotUndone { .. } => NOT_UNDONE_CODE,
            Self::Cancelled => CANCELLED,
            Self::DeadlineExceeded => DEADLINE_EXCEEDED,
            Self::Recorded { .. } => "recorded",
            Self::Unrecordable { .. } => "unrecordable",
            Self::Unreadable { .. } => "unreadable",
        }
    }

    /// Restores a cause from its recorded code and text.
    pub(crate) fn recorded(code: &str, message: String) -> Self {
        let after = |prefix: &str| message.strip_prefix(prefix).map(str::to_owned);
        let restored = match code {
            CANCELLED => Some(Self::Cancelled),
            DEADLINE_EXCEEDED => Some(Self::DeadlineExceeded),
            "timed_out" => {
                let limit = message.strip_prefix(NO_ANSWER).and_then(duration::parse);
                limit.map(|after| Self::TimedOut { after })
            }
            "panicked" => after(PANICKED).map(|message| Self::Panicked { message }),
            "in_doubt" => after(IN_DOUBT).map(|message| Self::InDoubt { message }),
            NOT_UNDONE_CODE => after(NOT_UNDONE).map(|message| Self::NotUndone { message }),
            "unrecordable" => {
                let is_whole = UNRECORDABLE.iter().any(|what| message.starts_with(what));
                // An older version has recorded the problem alone.
                let what = if is_whole { "" } else { UNRECORDABLE_OUTPUT };
                let message = format!("{what}{message}");
                Some(Self::Unrecordable { message })
            }
            "unreadable" => Some(Self::Unreadable {
                message: message.clone(),
            }),
            _ => None,
        };
        restored.unwrap_or(Self::Recorded { message })
    }
}

// The texts are recorded. They are read again, so they never change.
const NO_ANSWER: &str = "no answer within ";
const PANICKED: &str = "panicked: ";
const IN_DOUBT: &str = "in doubt: ";
const NOT_UNDONE: &str = "not undone: ";
pub(crate) const UNRECORDABLE_OUTPUT: &str = "the output can't be recorded: ";
pub(crate) const UNRECORDABLE_ERROR: &str = "the error can't be recorded: ";
const UNRECORDABLE: [&str; 2] = [UNRECORDABLE_OUTPUT, UNRECORDABLE_ERROR];

/// The code of [`Cause::NotUndone`].
pub(crate) const NOT_UNDONE_CODE: &str = "not_undone";
const CANCELLED: &str = "cancelled";
const DEADLINE_EXCEEDED: &str = "deadline_exceeded";

impl<E: Display> Display for Cause<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => Escaped(error).fmt(f),
            other => Escaped(Unescaped(other)).fmt(f),
        }
    }
}

/// The text of a cause as it is recorded, with whatever characters it has.
pub(crate) struct Unescaped<'a, E>(pub(crate) &'a Cause<E>);

impl<E: Display> Display for Unescaped<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Cause::Error(error) => error.fmt(f),
            Cause::TimedOut { after } => write!(f, "{NO_ANSWER}{after:?}"),
            Cause::Panicked { message } => write!(f, "{PANICKED}{message}"),
            Cause::InDoubt { message } => write!(f, "{IN_DOUBT}{message}"),
            Cause::NotUndone { message } => write!(f, "{NOT_UNDONE}{message}"),
            Cause::Cancelled => Interruption::Cancelled.fmt(f),
            Cause::DeadlineExceeded => Interruption::DeadlineExceeded.fmt(f),
            Cause::Recorded { message }
            | Cause::Unreadable { message }
            | Cause::Unrecordable { message } => f.write_str(message),
        }
    }
}

impl Cause<Infallible> {
    /// Converts the cause of an infallible call into one of a saga with errors.
    pub(crate) fn widen<E>(self) -> Cause<E> {
        match self {
            Self::Error(never) => match never {},
            Self::TimedOut { after } => Cause::TimedOut { after },
            Self::Panicked { message } => Cause::Panicked { message },
            Self::InDoubt { message } => Cause::InDoubt { message },
            Self::NotUndone { message } => Cause::NotUndone { message },
            Self::Cancelled => Cause::Cancelled,
            Self::DeadlineExceeded => Cause::DeadlineExceeded,
            Self::Recorded { message } => Cause::Recorded { message },
            Self::Unrecordable { message } => Cause::Unrecordable { message },
            Self::Unreadable { message } => Cause::Unreadable { message },
        }
    }
}

impl<E> From<Interruption> for Cause<E> {
    fn from(interruption: Interruption) -> Self {
        match interruption {
            Interruption::Cancelled => Self::Cancelled,
            Interruption::DeadlineExceeded => Self::DeadlineExceeded,
        }
    }
}

impl<E> SagaError<E> {
    #[cold]
    pub(crate) fn new(
        saga: &'static str,
        id: Option<SagaId>,
        call: Option<Cow<'static, str>>,
        cause: Cause<E>,
        compensations: Vec<Compensation>,
        past_pivot: bool,
        source: FindSource<E>,
    ) -> Self {
        Self(Box::new(Details {
            saga,
            id,
            call,
            cause,
            compensations,
            past_pivot,
            source,
        }))
    }

    /// The durable name of the saga.
    #[must_use]
    pub fn saga(&self) -> &'static str {
        self.0.saga
    }

    /// The id of the saga. `None` if the caller gave none and no code asked for it.
    #[must_use]
    pub fn id(&self) -> Option<&SagaId> {
        self.0.id.as_ref()
    }

    /// The durable name of the step at which the saga failed. `None` if the body's own code failed. For a step of a
    /// sub-saga the path of that saga comes first: `place_order/charge`.
    #[must_use]
    pub fn step(&self) -> Option<&str> {
        self.call().map(|call| call_name::split(call).0)
    }

    /// The name of the call at which the saga failed, as operators' commands take it: that of the step, and from its second
    /// call on the number of earlier calls, `subscribe#1`.
    #[must_use]
    pub fn call(&self) -> Option<&str> {
        self.0.call.as_deref()
    }

    /// The cause of the failure.
    #[must_use]
    pub fn cause(&self) -> &Cause<E> {
        &self.0.cause
    }

    /// The cause of the failure, by value.
    #[must_use]
    pub fn into_cause(self) -> Cause<E> {
        self.0.cause
    }

    /// The same error with another cause.
    pub(crate) fn with_cause(mut self, cause: impl FnOnce(&Cause<E>) -> Option<Cause<E>>) -> Self {
        if let Some(cause) = cause(&self.0.cause) {
            replace_caught(&mut self.0.cause, cause);
        }
        self
    }

    /// The compensations of all steps that had to be undone, in the order in which they ended.
    #[must_use]
    pub fn compensations(&self) -> &[Compensation] {
        &self.0.compensations
    }

    /// Notes the decision of an operator about this [call](Compensation::call). Returns false if no operator has to decide about it.
    /// Engines use it.
    pub fn decide(&mut self, call: &str, outcome: CompensationOutcome) -> bool {
        let mut open = self.0.compensations.iter_mut().filter(|one| one.is_open());
        let decided = open.find(|one| one.call().to_string() == call);
        let is_open = decided.is_some();
        if let Some(decided) = decided {
            decided.outcome = outcome;
        }
        is_open
    }

    /// The compensations, which are attempted once more.
    pub(crate) fn compensations_mut(&mut self) -> &mut Vec<Compensation> {
        &mut self.0.compensations
    }

    /// The compensations that failed for good, with the failures, in the order in which they failed.
    pub fn compensation_failures(
        &self,
    ) -> impl Iterator<Item = (&Compensation, &CompensationFailure)> {
        self.0
            .compensations
            .iter()
            .filter_map(|compensation| match &compensation.outcome {
                CompensationOutcome::Failed(failure) => Some((compensation, failure)),
                _ => None,
            })
    }

    /// Returns whether every step that may have had an effect is undone. If not, an operator has to look at the saga.
    #[must_use]
    pub fn is_compensated(&self) -> bool {
        !self.0.past_pivot && self.0.compensations.iter().all(Compensation::is_undone)
    }

    /// Returns whether the saga needs no operator: every step is undone, or an operator has decided that its effect
    /// stays.
    #[must_use]
    pub fn is_final(&self) -> bool {
        !self.0.past_pivot && !self.0.compensations.iter().any(Compensation::is_open)
    }
}

impl<E: Display> SagaError<E> {
    /// The reason to record if this error leaves the saga stuck.
    pub(crate) fn stuck_because(&self) -> Reason {
        let code = if self.0.past_pivot {
            "pivot_in_doubt"
        } else {
            "compensation_failed"
        };
        Reason::new(code, text(self))
    }
}

impl<E: Display> Display for SagaError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details {
            saga,
            call,
            cause,
            compensations,
            past_pivot,
            ..
        } = &*self.0;
        write!(f, "saga `{saga}` failed")?;
        if let Some(call) = call {
            write!(f, " at step `{}`", Escaped(call))?;
        }
        write!(f, ": {cause}")?;
        if *past_pivot {
            f.write_str("; not compensated, because the pivot may have taken effect")?;
        }
        let mut separator = "; compensated:";
        for one in compensations.iter().filter(|one| one.is_undone()) {
            write!(f, "{separator} `{}`", one.call())?;
            separator = ",";
        }
        for one in compensations {
            if let CompensationOutcome::Failed(failure) = &one.outcome {
                write!(f, "; NOT compensated: `{}`: {failure}", one.call())?;
            }
        }
        for one in compensations {
            if let CompensationOutcome::Skipped { reason } = &one.outcome {
                let reason = Escaped(reason);
                write!(f, "; skipped: `{}`: {reason}", one.call())?;
            }
        }
        let mut separator = "; pending:";
        for one in compensations
            .iter()
            .filter(|one| one.outcome == CompensationOutcome::Pending)
        {
            write!(f, "{separator} `{}`", one.call())?;
            separator = ",";
        }
        Ok(())
    }
}

/// One line, as `Display` writes it. Tests can unwrap results whose error type has no `Debug`.
impl<E: Display> fmt::Debug for SagaError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SagaError({self})")
    }
}

impl<E: Display> Error for SagaError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0.cause {
            Cause::Error(error) => (self.0.source)(error),
            _ => None,
        }
    }
}
