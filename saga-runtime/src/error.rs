//! What a caller gets when a saga failed: the step, its typed cause, and every compensation in the order they ran.

use std::borrow::Cow;
use std::convert::Infallible;
use std::error::Error;
use std::fmt::{self, Display};
use std::time::Duration;

mod compensation;
mod reason;

use crate::id::SagaId;

pub use compensation::{Compensation, CompensationFailure, CompensationOutcome};
pub use reason::Reason;

/// A saga that failed: where, why, and what has become of the steps that were done before.
///
/// `Display` is one line; [`source`](Error::source) is the saga's own error.
///
/// ```text
/// saga `place_order` failed at step `charge`: card declined; compensated: `create_order`
/// ```
pub struct SagaError<E>(Box<Details<E>>);

struct Details<E> {
    saga: &'static str,
    id: Option<SagaId>,
    step: Option<Cow<'static, str>>,
    cause: Cause<E>,
    compensations: Vec<Compensation>,
    past_pivot: bool,
}

/// Why a saga was stopped from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Interruption {
    /// Somebody cancelled it.
    Cancelled,
    /// Its deadline passed before its pivot.
    DeadlineExceeded,
}

impl Interruption {
    /// What is written down of it, in a word.
    pub(crate) fn code(self) -> &'static str {
        Cause::<Infallible>::from(self).code()
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

/// Why a saga failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause<E> {
    /// The body of the saga returned this error: a step's refusal, or its own.
    Error(E),
    /// A step gave no answer in time.
    TimedOut {
        /// The limit of the attempt.
        after: Duration,
    },
    /// A step, or the body, panicked.
    Panicked {
        /// The panic's text.
        message: String,
    },
    /// A step whose error the body handles itself ended with one that leaves open if something has happened.
    InDoubt {
        /// The error's text.
        message: String,
    },
    /// Somebody cancelled it.
    Cancelled,
    /// Its deadline passed before its pivot.
    DeadlineExceeded,
    /// It failed in an earlier process, and this is the text that is written down.
    Recorded {
        /// The text.
        message: String,
    },
    /// A step's output can't be written down: it is too large, or can't be serialized.
    Unrecordable {
        /// What is wrong with it.
        message: String,
    },
    /// What came with an event is not what the saga expects.
    Unreadable {
        /// What is wrong with it.
        message: String,
    },
}

impl<E> Cause<E> {
    /// What kind of cause it is, in a word: what is written down beside the text.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Error(_) => "error",
            Self::TimedOut { .. } => "timed_out",
            Self::Panicked { .. } => "panicked",
            Self::InDoubt { .. } => "in_doubt",
            Self::Cancelled => CANCELLED,
            Self::DeadlineExceeded => DEADLINE_EXCEEDED,
            Self::Recorded { .. } => "recorded",
            Self::Unrecordable { .. } => "unrecordable",
            Self::Unreadable { .. } => "unreadable",
        }
    }

    /// The cause that was written down like this.
    pub(crate) fn recorded(code: &str, message: String) -> Self {
        match code {
            CANCELLED => Self::Cancelled,
            DEADLINE_EXCEEDED => Self::DeadlineExceeded,
            _ => Self::Recorded { message },
        }
    }
}

const CANCELLED: &str = "cancelled";
const DEADLINE_EXCEEDED: &str = "deadline_exceeded";

impl<E: Display> Display for Cause<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::TimedOut { after } => write!(f, "no answer within {after:?}"),
            Self::Panicked { message } => write!(f, "panicked: {message}"),
            Self::InDoubt { message } => write!(f, "in doubt: {message}"),
            Self::Cancelled => Interruption::Cancelled.fmt(f),
            Self::DeadlineExceeded => Interruption::DeadlineExceeded.fmt(f),
            Self::Recorded { message } | Self::Unreadable { message } => f.write_str(message),
            Self::Unrecordable { message } => {
                write!(f, "the output can't be written down: {message}")
            }
        }
    }
}

impl Cause<Infallible> {
    /// The same cause of a saga with errors.
    pub(crate) fn widen<E>(self) -> Cause<E> {
        match self {
            Self::Error(never) => match never {},
            Self::TimedOut { after } => Cause::TimedOut { after },
            Self::Panicked { message } => Cause::Panicked { message },
            Self::InDoubt { message } => Cause::InDoubt { message },
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
        step: Option<Cow<'static, str>>,
        cause: Cause<E>,
        compensations: Vec<Compensation>,
        past_pivot: bool,
    ) -> Self {
        Self(Box::new(Details {
            saga,
            id,
            step,
            cause,
            compensations,
            past_pivot,
        }))
    }

    /// The durable name of the saga.
    #[must_use]
    pub fn saga(&self) -> &'static str {
        self.0.saga
    }

    /// The id of the saga, if one was given or a step asked for it.
    #[must_use]
    pub fn id(&self) -> Option<&SagaId> {
        self.0.id.as_ref()
    }

    /// The durable name of the step at which the saga failed; `None` if it was the body's own code. For a step of a saga
    /// that was called by this one, that one's name stands before it: `place_order/charge`.
    #[must_use]
    pub fn step(&self) -> Option<&str> {
        self.0.step.as_deref()
    }

    /// Why it failed.
    #[must_use]
    pub fn cause(&self) -> &Cause<E> {
        &self.0.cause
    }

    /// Why it failed, by value.
    #[must_use]
    pub fn into_cause(self) -> Cause<E> {
        self.0.cause
    }

    /// The steps that had to be undone, in the order in which their compensations ended.
    #[must_use]
    pub fn compensations(&self) -> &[Compensation] {
        &self.0.compensations
    }

    /// The compensations that failed for good, in the order in which they did: step and failure.
    pub fn compensation_failures(&self) -> impl Iterator<Item = (&str, &CompensationFailure)> {
        self.0
            .compensations
            .iter()
            .filter_map(|compensation| match &compensation.outcome {
                CompensationOutcome::Failed(failure) => Some((&*compensation.step, failure)),
                _ => None,
            })
    }

    /// Whether every step that may have had an effect is undone. If not, somebody has to look at it.
    #[must_use]
    pub fn is_compensated(&self) -> bool {
        !self.0.past_pivot && self.0.compensations.iter().all(Compensation::is_undone)
    }

    /// Whether nobody has to look at it any more: all is undone, or an operator has said that it stays as it is.
    pub(crate) fn is_final(&self) -> bool {
        !self.0.past_pivot && !self.0.compensations.iter().any(Compensation::is_open)
    }
}

impl<E: Display> SagaError<E> {
    /// Why somebody has to look at the saga.
    pub(crate) fn stuck_because(&self) -> Reason {
        let code = if self.0.past_pivot {
            "pivot_in_doubt"
        } else {
            "compensation_failed"
        };
        Reason::new(code, self.to_string())
    }
}

impl<E: Display> Display for SagaError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details {
            saga,
            step,
            cause,
            compensations,
            past_pivot,
            ..
        } = &*self.0;
        write!(f, "saga `{saga}` failed")?;
        if let Some(step) = step {
            write!(f, " at step `{step}`")?;
        }
        write!(f, ": {cause}")?;
        if *past_pivot {
            f.write_str("; not compensated, because the pivot may have taken effect")?;
        }
        let mut separator = "; compensated:";
        for one in compensations.iter().filter(|one| one.is_undone()) {
            write!(f, "{separator} `{}`", one.step)?;
            separator = ",";
        }
        for (step, failure) in self.compensation_failures() {
            write!(f, "; NOT compensated: `{step}`: {failure}")?;
        }
        for one in compensations {
            if let CompensationOutcome::Skipped { reason } = &one.outcome {
                write!(f, "; skipped: `{}`: {reason}", one.step)?;
            }
        }
        let mut separator = "; pending:";
        for one in compensations
            .iter()
            .filter(|one| one.outcome == CompensationOutcome::Pending)
        {
            write!(f, "{separator} `{}`", one.step)?;
            separator = ",";
        }
        Ok(())
    }
}

/// One line, like `Display`: an error type that has no `Debug` can still be unwrapped in a test.
impl<E: Display> fmt::Debug for SagaError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SagaError({self})")
    }
}

impl<E: Error + 'static> Error for SagaError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0.cause {
            Cause::Error(error) => Some(error),
            _ => None,
        }
    }
}
