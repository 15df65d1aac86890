//! The final outcomes of a step, the reasons to give it up, and the records of its errors.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt::{self, Display};
use std::io;
use std::time::Duration;

use crate::attempts::Verdict;
use crate::error::{
    Cause, Compensation, CompensationFailure, CompensationOutcome, Interruption, Reason,
};
use crate::language::read_back;
use crate::meta::StepMeta;
use crate::panic::{caught, drop_caught, text};

/// The reason for which a saga is compensated.
pub struct FailureCause<'a> {
    /// The kind of the reason, in a word: `error`, `timed_out`, `panicked`, `cancelled`, …
    pub code: &'static str,
    /// Its text.
    pub message: &'a dyn Display,
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

/// The way in which the error of a refusal is recorded, so that a replay can give it to the body again.
pub enum ErrorRecord<E> {
    /// As text: the refusal ends the saga, and the body does not get it again.
    Text,
    /// Whole, because the body handles it.
    Whole {
        /// Writes it as JSON.
        write: fn(&E) -> serde_json::Result<String>,
        /// Reads it again.
        read: fn(&str) -> serde_json::Result<E>,
    },
}

impl<E> ErrorRecord<E> {
    /// The error as JSON, if it is recorded whole and can be.
    pub(crate) fn write(self, error: &E) -> Option<String> {
        match self {
            Self::Text => None,
            Self::Whole { write, .. } => caught(|| write(error)).ok()?.ok(),
        }
    }

    /// The error that is read back from its JSON, if it is recorded whole.
    pub(crate) fn record(self, error: &E) -> Option<Result<E, String>> {
        let Self::Whole { write, read } = self else {
            return None;
        };
        let rewrite = |error: &E, buffer: &mut dyn io::Write| {
            let json = write(error)?;
            let written = buffer.write_all(json.as_bytes());
            written.map_err(serde_json::Error::io)
        };
        let json = match caught(|| write(error)) {
            Ok(Ok(json)) => json,
            Ok(Err(unwritten)) => return Some(Err(unwritten.to_string())),
            Err(panic) => return Some(Err(format!("panicked: {panic}"))),
        };
        Some(read_back(&json, rewrite, read))
    }

    /// Returns true if a journal could record the error, as far as it has to.
    pub(crate) fn is_recordable(self, error: &E) -> bool {
        match self.record(error) {
            None => true,
            Some(recorded) => recorded.map(drop_caught).is_ok(),
        }
    }

    /// The error that was recorded whole.
    pub(crate) fn read(self, text: &str) -> Option<serde_json::Result<E>> {
        match self {
            Self::Text => None,
            Self::Whole { read, .. } => Some(caught(|| read(text)).unwrap_or_else(|panic| {
                Err(serde::de::Error::custom(format!("panicked: {panic}")))
            })),
        }
    }
}

impl<E> Clone for ErrorRecord<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for ErrorRecord<E> {}

impl<E> fmt::Debug for ErrorRecord<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "Text",
            Self::Whole { .. } => "Whole",
        })
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
    /// It is done, but its output can't be recorded.
    Unrecordable {
        /// The reason why the output can't be recorded.
        message: String,
    },
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
    pub(crate) fn into_compensation(self, step: Cow<'static, str>) -> Option<Compensation> {
        let outcome = match self {
            Self::Nothing | Self::Done => return None,
            Self::Resolved => CompensationOutcome::Resolved,
            Self::Unresolved(failure) => CompensationOutcome::Failed(failure),
            Self::Skipped { reason } => CompensationOutcome::Skipped { reason },
        };
        Some(Compensation { step, outcome })
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
