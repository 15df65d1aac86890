//! A saga's durable name and its options.

use std::time::Duration;

use crate::meta::Policy;

/// A saga's durable name and its options, as `#[saga(…)]` sets them.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SagaMeta {
    /// The name in journals, spans and errors.
    pub name: &'static str,
    /// The version of the definition.
    pub version: u32,
    /// The time from the start within which the saga has to pass its pivot. Otherwise it is cancelled.
    pub deadline: Option<Duration>,
    /// The reaction to a compensation that has failed for good.
    pub on_compensation_failure: OnCompensationFailure,
    /// The order in which steps are compensated.
    pub compensations: CompensationOrder,
    /// The policies of steps that say nothing.
    pub policy: Policy,
}

impl SagaMeta {
    /// Describes a saga with this name and the default options.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            version: 1,
            deadline: None,
            on_compensation_failure: OnCompensationFailure::Continue,
            compensations: CompensationOrder::Sequential,
            policy: Policy::new(),
        }
    }

    /// Sets the version of the definition.
    #[must_use]
    pub const fn version(self, version: u32) -> Self {
        Self { version, ..self }
    }

    /// Sets the deadline.
    #[must_use]
    pub const fn deadline(self, deadline: Duration) -> Self {
        Self {
            deadline: Some(deadline),
            ..self
        }
    }

    /// Sets the reaction to a compensation that has failed for good.
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

    /// The policies of steps that say nothing, if the saga sets any.
    #[must_use]
    pub(crate) const fn default_policy(&self) -> Option<&Policy> {
        if self.policy.is_empty() {
            None
        } else {
            Some(&self.policy)
        }
    }

    /// The rules by which calls are compensated.
    #[must_use]
    pub const fn undo_rules(&self) -> UndoRules {
        UndoRules {
            on_failure: self.on_compensation_failure,
            order: self.compensations,
        }
    }

    /// Sets the policies of steps that say nothing.
    #[must_use]
    pub const fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// Sets the order of compensations.
    #[must_use]
    pub const fn compensations(self, compensations: CompensationOrder) -> Self {
        Self {
            compensations,
            ..self
        }
    }
}

/// The rules by which the calls of a saga are compensated, also those of a part of it whose failure the body handles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UndoRules {
    /// The reaction to a compensation that has failed for good.
    pub on_failure: OnCompensationFailure,
    /// The order in which calls are compensated.
    pub order: CompensationOrder,
}

impl UndoRules {
    /// The rules of a saga that says nothing.
    pub const DEFAULT: Self = Self {
        on_failure: OnCompensationFailure::Continue,
        order: CompensationOrder::Sequential,
    };
}

/// The reaction of a saga to a compensation that has failed for good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnCompensationFailure {
    /// The other compensations still run.
    #[default]
    Continue,
    /// The other compensations stay pending.
    Halt,
}

/// The order in which a saga compensates its steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CompensationOrder {
    /// One after the other, the last step first.
    #[default]
    Sequential,
    /// All at once.
    Parallel,
}
