//! The final outcomes of a step, the reasons to give it up, and the records of its errors.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt::{self, Display};
use std::time::Duration;

use crate::attempts::Verdict;
use crate::error::{
    Cause, Compensation, CompensationFailure, CompensationOutcome, Interruption, Reason,
    UNRECORDABLE_ERROR, UNRECORDABLE_OUTPUT,
};
use crate::language::ErrorRecord;
use crate::meta::StepMeta;
use crate::panic::text;

/// The reason for which a saga is compensated.
pub struct FailureCause<'a> {
    /// The kind of the reason, in a word: `error`, `timed_out`, `panicked`, `cancelled`, …
    pub code: &'static str,
    /// Its text.
    pub message: &'a dyn Display,
    /// Writes the saga's own error as JSON: `None` if that is not the reason, or its type does not allow it.
    pub error: &'a dyn Fn() -> Option<String>,
}

impl Display for FailureCause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message.fmt(f)
    }
}

impl fmt::Debug for FailureCause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailureCause")
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}

/// The final outcome of a step. Its output, or the reason for which it is given up, is in the
/// [`PendingStep`](crate::engine::PendingStep).
#[derive(Debug)]
#[must_use]
pub enum StepEnd<X> {
    /// It is done.
    Done,
    /// It refused, and nothing has happened.
    Refused,
    /// It did not get a definite answer in time, or was stopped from outside.
    Stopped(Settlement),
    /// The engine suspends the saga.
    Suspended(X),
}

impl<X> StepEnd<X> {
    /// The end of a step that its first attempt settles: it is done, or it refused and no retry follows.
    pub(crate) fn after_first(first: Verdict, step: &StepMeta) -> Option<Self> {
        match first {
            Verdict::Done => Some(Self::Done),
            first if first.is_definite(step) => Some(Self::Refused),
            _ => None,
        }
    }
}

/// The reason for which a step was given up.
#[derive(Debug)]
pub enum GiveUp<E> {
    /// An error, after which something may have happened.
    Error(E),
    /// No answer in time.
    TimedOut {
        /// The limit.
        after: Duration,
    },
    /// A panic.
    Panicked {
        /// Its text.
        message: String,
    },
    /// The saga was stopped from outside.
    Interrupted(Interruption),
    /// It was given up before this process was started, and this is the recorded reason.
    Recorded {
        /// The kind of the reason, in a word.
        code: String,
        /// Its text.
        message: String,
    },
    /// It is done, but its output can't be recorded; or the body handles its error, which can't be recorded.
    Unrecordable {
        /// What can't be recorded, and why.
        message: String,
    },
}

impl<E> GiveUp<E> {
    /// The step is done, but its output can't be recorded.
    #[must_use]
    pub fn unrecordable_output(problem: &str) -> Self {
        let message = format!("{UNRECORDABLE_OUTPUT}{problem}");
        Self::Unrecordable { message }
    }

    /// The body handles the error of the step, but the error can't be recorded.
    #[must_use]
    pub fn unrecordable_error(problem: &str) -> Self {
        let message = format!("{UNRECORDABLE_ERROR}{problem}");
        Self::Unrecordable { message }
    }
}

impl<E: Display> GiveUp<E> {
    /// The same reason, with the error as it is recorded.
    pub(crate) fn to_recorded(&self, errors: ErrorRecord<E>) -> GiveUp<Reason> {
        match self {
            Self::Error(error) => GiveUp::Error(Reason {
                error: errors.write(error),
                ..Reason::new("error", text(error))
            }),
            Self::TimedOut { after } => GiveUp::TimedOut { after: *after },
            Self::Panicked { message } => GiveUp::Panicked {
                message: message.clone(),
            },
            Self::Interrupted(interruption) => GiveUp::Interrupted(*interruption),
            Self::Recorded { code, message } => GiveUp::Recorded {
                code: code.clone(),
                message: message.clone(),
            },
            Self::Unrecordable { message } => GiveUp::Unrecordable {
                message: message.clone(),
            },
        }
    }
}

impl GiveUp<Reason> {
    /// The reason as text with a code. The texts are those of [`Cause`].
    #[must_use]
    pub fn into_reason(self) -> Reason {
        match self {
            Self::Error(reason) => reason,
            Self::Recorded { code, message } => Reason::new(code, message),
            Self::Unrecordable { message } => Reason::new("unrecordable", message),
            Self::TimedOut { after } => Reason::from(&Cause::TimedOut { after }),
            Self::Panicked { message } => Reason::from(&Cause::Panicked { message }),
            Self::Interrupted(interruption) => Reason::from(&Cause::from(interruption)),
        }
    }
}

impl GiveUp<Infallible> {
    /// The same reason, of a step with errors.
    pub(crate) fn widen<E>(self) -> GiveUp<E> {
        match self {
            Self::Error(never) => match never {},
            Self::TimedOut { after } => GiveUp::TimedOut { after },
            Self::Panicked { message } => GiveUp::Panicked { message },
            Self::Interrupted(interruption) => GiveUp::Interrupted(interruption),
            Self::Recorded { code, message } => GiveUp::Recorded { code, message },
            Self::Unrecordable { message } => GiveUp::Unrecordable { message },
        }
    }
}

impl<E> GiveUp<E> {
    /// The step's error, or the cause that ends the saga.
    pub(crate) fn into_stop(self) -> Result<E, Cause<Infallible>> {
        match self {
            Self::Error(error) => Ok(error),
            Self::TimedOut { after } => Err(Cause::TimedOut { after }),
            Self::Panicked { message } => Err(Cause::Panicked { message }),
            Self::Interrupted(interruption) => Err(interruption.into()),
            Self::Recorded { code, message } => Err(Cause::recorded(&code, message)),
            Self::Unrecordable { message } => Err(Cause::Unrecordable { message }),
        }
    }
}

impl Settlement {
    /// The report on a step that was settled on the spot.
    pub(crate) fn into_compensation(
        self,
        step: Cow<'static, str>,
        occurrence: usize,
    ) -> Option<Compensation> {
        let outcome = match self {
            Self::Nothing | Self::Done => return None,
            Self::Resolved => CompensationOutcome::Resolved,
            Self::Unresolved(failure) => CompensationOutcome::Failed(failure),
            Self::Skipped { reason } => CompensationOutcome::Skipped { reason },
        };
        Some(Compensation::new(step, occurrence, outcome))
    }
}

/// The fate of the effect of a step that was given up.
#[derive(Debug, PartialEq, Eq)]
pub enum Settlement {
    /// There is no effect, or none that needs compensation.
    Nothing,
    /// The effect has happened: the step gave its output, and is compensated like any other.
    Done,
    /// The step's resolver has removed any effect.
    Resolved,
    /// The effect is not known, or could not be removed.
    Unresolved(CompensationFailure),
    /// An operator has decided that the effect stays.
    Skipped {
        /// The operator's reason.
        reason: String,
    },
}

#[cfg(test)]
mod tests;
