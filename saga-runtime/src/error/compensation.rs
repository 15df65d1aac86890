//! How the compensation of a step ended, as a caller and an operator see it.

use std::borrow::Cow;
use std::fmt;

/// What has become of one step that had to be undone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compensation {
    /// The durable name of the step, as in [`SagaError::step`].
    pub step: Cow<'static, str>,
    /// How its compensation ended.
    pub outcome: CompensationOutcome,
}

impl Compensation {
    /// Whether nothing of the step is left: its compensation, its resolver or an operator has undone it.
    #[must_use]
    pub fn is_undone(&self) -> bool {
        matches!(
            self.outcome,
            CompensationOutcome::Compensated
                | CompensationOutcome::Resolved
                | CompensationOutcome::ResolvedByHand { .. }
        )
    }

    /// Whether somebody still has to look at the step.
    pub(crate) fn is_open(&self) -> bool {
        matches!(
            self.outcome,
            CompensationOutcome::Failed(_) | CompensationOutcome::Pending
        )
    }

    pub(crate) fn has_failed(&self) -> bool {
        matches!(self.outcome, CompensationOutcome::Failed(_))
    }
}

/// How the compensation of a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompensationOutcome {
    /// The step is undone.
    Compensated,
    /// The step was in doubt, and its resolver has undone whatever there was.
    Resolved,
    /// It failed for good: the step's effect may still be there.
    Failed(CompensationFailure),
    /// It failed, and an operator has undone the step by hand.
    ResolvedByHand {
        /// Why.
        reason: String,
    },
    /// It failed, and an operator has decided that the step stays as it is.
    Skipped {
        /// Why.
        reason: String,
    },
    /// It did not run, because another one failed and the saga says `on_compensation_failure = halt`, or because a
    /// later step can't be undone.
    Pending,
}

impl From<Result<(), CompensationFailure>> for CompensationOutcome {
    fn from(undone: Result<(), CompensationFailure>) -> Self {
        match undone {
            Ok(()) => Self::Compensated,
            Err(failure) => Self::Failed(failure),
        }
    }
}

/// A compensation that failed for good: the step's effect may still be there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompensationFailure {
    /// How often it was attempted.
    pub attempts: u32,
    /// The text of the last error.
    pub message: String,
}

impl CompensationFailure {
    /// A compensation that failed `attempts` times, at last with `message`.
    #[must_use]
    pub fn new(attempts: u32, message: String) -> Self {
        Self { attempts, message }
    }
}

impl fmt::Display for CompensationFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.attempts {
            1 => write!(f, "{} (1 attempt)", self.message),
            attempts => write!(f, "{} ({attempts} attempts)", self.message),
        }
    }
}

impl std::error::Error for CompensationFailure {}
