//! A saga's durable name and its options.

use std::time::Duration;

/// A saga's durable name and its options: what `#[saga(…)]` says.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SagaMeta {
    /// The name in journals, spans and errors.
    pub name: &'static str,
    /// The version of the definition.
    pub version: u32,
    /// How long it may take until its pivot.
    pub deadline: Option<Duration>,
    /// What happens to the other compensations when one has failed for good.
    pub on_compensation_failure: OnCompensationFailure,
    /// In which order steps are compensated.
    pub compensations: CompensationOrder,
}

impl SagaMeta {
    /// A saga with this name and the default options.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            version: 1,
            deadline: None,
            on_compensation_failure: OnCompensationFailure::Continue,
            compensations: CompensationOrder::Sequential,
        }
    }

    /// The same saga with another version of its definition.
    #[must_use]
    pub const fn version(self, version: u32) -> Self {
        Self { version, ..self }
    }

    /// The same saga with a deadline.
    #[must_use]
    pub const fn deadline(self, deadline: Duration) -> Self {
        Self {
            deadline: Some(deadline),
            ..self
        }
    }

    /// The same saga with another answer to a compensation that has failed for good.
    #[must_use]
    pub const fn on_compensation_failure(
        self,
        on_compensation_failure: OnCompensationFailure,
    ) -> Self {
        Self {
            on_compensation_failure,
            ..self
        }
    }

    /// The same saga with another order of compensations.
    #[must_use]
    pub const fn compensations(self, compensations: CompensationOrder) -> Self {
        Self {
            compensations,
            ..self
        }
    }
}

/// What a saga does with the other compensations when one has failed for good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnCompensationFailure {
    /// The others still run.
    #[default]
    Continue,
    /// The others stay pending.
    Halt,
}

/// In which order a saga compensates its steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CompensationOrder {
    /// One after the other, the step that was done last first.
    #[default]
    Sequential,
    /// All at once.
    Parallel,
}
