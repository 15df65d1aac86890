//! The outcome of a step's compensation, as callers and operators see it.

use std::borrow::Cow;
use std::fmt;

use crate::error::reason::shortened;
use crate::escaped::Escaped;

/// One step that had to be undone, and the outcome of its compensation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compensation {
    /// The durable name of the step, as in [`SagaError::step`](crate::SagaError::step).
    pub step: Cow<'static, str>,
    /// The number of earlier calls of the same step: 0 for the first.
    pub occurrence: u32,
    /// The outcome of its compensation.
    pub outcome: CompensationOutcome,
}

impl Compensation {
    /// The outcome for this call of a step.
    pub(crate) fn new(
        step: Cow<'static, str>,
        occurrence: usize,
        outcome: CompensationOutcome,
    ) -> Self {
        Self {
            step,
            occurrence: u32::try_from(occurrence).unwrap_or(u32::MAX),
            outcome,
        }
    }

    /// The name of the call, as operators' commands take it: `subscribe`, or `subscribe#1` for the second one.
    #[must_use]
    pub fn call(&self) -> impl fmt::Display + '_ {
        CallName(self)
    }

    /// Returns whether the step is undone, by its compensation, its resolver or an operator.
    #[must_use]
    pub fn is_undone(&self) -> bool {
        self.outcome.is_undone()
    }

    /// Returns whether it is that of this call.
    pub(crate) fn is_of(&self, step: &str, occurrence: usize) -> bool {
        self.occurrence as usize == occurrence && self.step == step
    }

    /// Returns whether an operator still has to decide about the step.
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

/// See [`Compensation::call`].
struct CallName<'a>(&'a Compensation);

impl fmt::Display for CallName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = Escaped(&self.0.step);
        match self.0.occurrence {
            0 => step.fmt(f),
            occurrence => write!(f, "{step}#{occurrence}"),
        }
    }
}

/// The outcome of a step's compensation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompensationOutcome {
    /// The compensation succeeded.
    Compensated,
    /// The step was in doubt, and its resolver has undone any effect.
    Resolved,
    /// The compensation failed for good. The step's effect may still be there.
    Failed(CompensationFailure),
    /// The compensation failed, and an operator has undone the step by hand.
    ResolvedByHand {
        /// The operator's reason.
        reason: String,
    },
    /// The compensation failed, and an operator has decided that the step's effect stays.
    Skipped {
        /// The operator's reason.
        reason: String,
    },
    /// The compensation did not run: another one failed and the saga says `on_compensation_failure = halt`, or a later
    /// step can't be undone.
    Pending,
}

impl CompensationOutcome {
    /// Returns whether the step is undone, by its compensation, its resolver or an operator.
    #[must_use]
    pub fn is_undone(&self) -> bool {
        matches!(
            self,
            Self::Compensated | Self::Resolved | Self::ResolvedByHand { .. }
        )
    }
}

impl From<Result<(), CompensationFailure>> for CompensationOutcome {
    fn from(undone: Result<(), CompensationFailure>) -> Self {
        match undone {
            Ok(()) => Self::Compensated,
            Err(failure) => Self::Failed(failure),
        }
    }
}

/// The failure of a compensation after its last attempt. The step's effect may still be there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompensationFailure {
    /// The number of attempts.
    pub attempts: u32,
    /// The text of the last error.
    pub message: String,
}

impl CompensationFailure {
    /// Creates the failure of a compensation with this number of attempts and this text of the last error, of which
    /// more than 4 KiB is cut.
    #[must_use]
    pub fn new(attempts: u32, message: String) -> Self {
        let message = shortened(message);
        Self { attempts, message }
    }
}

impl fmt::Display for CompensationFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = Escaped(&self.message);
        match self.attempts {
            1 => write!(f, "{message} (1 attempt)"),
            attempts => write!(f, "{message} ({attempts} attempts)"),
        }
    }
}

impl std::error::Error for CompensationFailure {}
