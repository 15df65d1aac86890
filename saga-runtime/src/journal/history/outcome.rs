//! The outcome of a call, and of its settling if it was in doubt.

use std::time::SystemTime;

use crate::error::{CompensationFailure, CompensationOutcome, Reason};

/// The outcome of a call on the way forward.
#[derive(Debug, Clone)]
pub(super) enum StepOutcome {
    Done { output: String },
    Refused { reason: Reason },
    InDoubt { reason: Reason },
    Settled { reason: Reason, settled: Settling },
    Waiting { until: Option<SystemTime> },
    Over { received: Option<u64> },
}

impl StepOutcome {
    /// The outcome of a step that was in doubt, if there is something to report.
    pub(super) fn settled(&self) -> Option<CompensationOutcome> {
        let Self::Settled { settled, .. } = self else {
            return None;
        };
        match settled {
            Settling::Resolved => Some(CompensationOutcome::Resolved),
            Settling::Unresolved(failure) => Some(CompensationOutcome::Failed(failure.clone())),
            Settling::Skipped { reason } => {
                let reason = reason.clone();
                Some(CompensationOutcome::Skipped { reason })
            }
            Settling::Nothing | Settling::Done { .. } => None,
        }
    }

    /// Returns whether the step is in doubt and not settled.
    pub(super) fn is_unsettled(&self) -> bool {
        match self {
            Self::InDoubt { .. } => true,
            Self::Settled { settled, .. } => matches!(settled, Settling::Unresolved(_)),
            Self::Done { .. } | Self::Refused { .. } | Self::Waiting { .. } | Self::Over { .. } => {
                false
            }
        }
    }
}

/// The outcome for the effect of a step in doubt, also by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Settling {
    Nothing,
    Done { output: String },
    Resolved,
    Unresolved(CompensationFailure),
    Skipped { reason: String },
}
