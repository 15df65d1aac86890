//! A step's durable name, its kind and its policies.

use std::fmt::{self, Display};
use std::time::Duration;

use crate::meta::{Policy, RetryDefaults, RetryPolicy};

/// The kind of a step: how it is undone, or that it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The step has a compensation.
    Compensatable,
    /// The step only reads, or its effect is harmless: there is nothing to undo.
    NothingToUndo,
    /// The step can't be undone. Once it has succeeded, the saga only goes forward.
    Pivot,
    /// The step is retried until it succeeds. It never makes the saga fail.
    Retriable,
}

impl Kind {
    /// Returns true if the saga only goes forward once a step of this kind is done.
    #[must_use]
    pub const fn closes_the_way_back(self) -> bool {
        matches!(self, Self::Pivot | Self::Retriable)
    }

    /// All kinds.
    pub const ALL: [Self; 4] = [
        Self::Compensatable,
        Self::NothingToUndo,
        Self::Pivot,
        Self::Retriable,
    ];

    /// The name of the kind in journals and fingerprints. It never changes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Compensatable => "compensatable",
            Self::NothingToUndo => "nothing_to_undo",
            Self::Pivot => "pivot",
            Self::Retriable => "retriable",
        }
    }
}

impl Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Compensatable => "compensatable",
            Self::NothingToUndo => "nothing to undo",
            Self::Pivot => "pivot",
            Self::Retriable => "retriable",
        })
    }
}

/// The phase of the attempts of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttemptPhase {
    /// The step is attempted on the way forward.
    Forward,
    /// The step is in doubt and is asked again, to learn if it was done.
    Settling,
    /// The step is in doubt and its resolver is attempted.
    Resolving,
    /// The step was done and its compensation is attempted.
    Compensating,
}

impl AttemptPhase {
    /// All phases.
    pub const ALL: [Self; 4] = [
        Self::Forward,
        Self::Settling,
        Self::Resolving,
        Self::Compensating,
    ];

    /// The name of the phase in journals. It never changes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Settling => "settling",
            Self::Resolving => "resolving",
            Self::Compensating => "compensating",
        }
    }
}

/// A step's durable name, its kind and its policies, as `#[step(…)]` sets them.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct StepMeta {
    /// The name in journals, keys, spans and errors. Renaming the function without `name = "…"` changes it.
    pub name: &'static str,
    /// The path of the function, such as `shop::payments::charge`: another function is another step. Empty if it is not
    /// known. Nothing records it.
    pub path: &'static str,
    /// The kind: how the step is undone.
    pub kind: Kind,
    /// The path of the compensation as source text, if there is one.
    pub compensation: Option<&'static str>,
    /// The path of the resolver as source text, if there is one.
    pub resolver: Option<&'static str>,
    /// The time limit of one attempt. `None`: the engine's default.
    pub timeout: Option<Duration>,
    /// The retry policy. `None`: the default of the kind, see [`forward_retry`](Self::forward_retry).
    pub retry: Option<RetryPolicy>,
    /// The time limit of one attempt of the compensation. `None`: the engine's default.
    pub compensation_timeout: Option<Duration>,
    /// The retry policy of the compensation. `None`: the engine's default.
    pub compensation_retry: Option<RetryPolicy>,
    /// The retry policy of the attempts that settle the step when it is in doubt. `None`: that of the step, if it limits
    /// its attempts, or else the engine's default.
    pub in_doubt_retry: Option<RetryPolicy>,
    /// The retry policy where nothing else sets one: of a step that says which errors are transient, and no numbers.
    pub default_retry: Option<RetryPolicy>,
}

impl StepMeta {
    /// Describes a step with this name and kind, and the default policies.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            path: "",
            kind,
            compensation: None,
            resolver: None,
            timeout: None,
            retry: None,
            compensation_timeout: None,
            compensation_retry: None,
            in_doubt_retry: None,
            default_retry: None,
        }
    }

    /// Sets the path of the function.
    #[must_use]
    pub const fn path(self, path: &'static str) -> Self {
        Self { path, ..self }
    }

    /// Sets the path of the compensation.
    #[must_use]
    pub const fn compensation(self, path: &'static str) -> Self {
        Self {
            compensation: Some(path),
            ..self
        }
    }

    /// Sets the path of the resolver.
    #[must_use]
    pub const fn resolver(self, path: &'static str) -> Self {
        Self {
            resolver: Some(path),
            ..self
        }
    }

    /// Sets what this policy says.
    #[must_use]
    pub const fn policy(self, policy: Policy) -> Self {
        self.with(policy.or(self.own_policy()))
    }

    /// Sets what this policy says, where the step says nothing.
    #[must_use]
    pub const fn or_policy(self, policy: Policy) -> Self {
        self.with(self.own_policy().or(policy))
    }

    const fn with(self, policy: Policy) -> Self {
        Self {
            timeout: policy.timeout,
            retry: policy.retry,
            compensation_timeout: policy.compensation_timeout,
            compensation_retry: policy.compensation_retry,
            in_doubt_retry: policy.in_doubt_retry,
            ..self
        }
    }

    /// The policies of the step as one value.
    #[must_use]
    pub const fn own_policy(&self) -> Policy {
        let mut policy = Policy::new();
        policy.timeout = self.timeout;
        policy.retry = self.retry;
        policy.compensation_timeout = self.compensation_timeout;
        policy.compensation_retry = self.compensation_retry;
        policy.in_doubt_retry = self.in_doubt_retry;
        policy
    }

    /// Sets the time limit of one attempt.
    #[must_use]
    pub const fn timeout(self, timeout: Duration) -> Self {
        Self {
            timeout: Some(timeout),
            ..self
        }
    }

    /// Sets the retry policy.
    #[must_use]
    pub const fn retry(self, retry: RetryPolicy) -> Self {
        Self {
            retry: Some(retry),
            ..self
        }
    }

    /// Sets the retry policy where no policy sets one.
    #[must_use]
    pub const fn retry_by_default(self, retry: RetryPolicy) -> Self {
        Self {
            default_retry: Some(retry),
            ..self
        }
    }

    /// The retry policy of the step, if anything sets one.
    const fn set_retry(&self) -> Option<RetryPolicy> {
        match self.retry {
            Some(retry) => Some(retry),
            None => self.default_retry,
        }
    }

    /// Sets the time limit of one attempt of the compensation.
    #[must_use]
    pub const fn compensation_timeout(self, timeout: Duration) -> Self {
        Self {
            compensation_timeout: Some(timeout),
            ..self
        }
    }

    /// Sets the retry policy of the compensation.
    #[must_use]
    pub const fn compensation_retry(self, retry: RetryPolicy) -> Self {
        Self {
            compensation_retry: Some(retry),
            ..self
        }
    }

    /// Sets the retry policy of the attempts that settle the step when it is in doubt.
    #[must_use]
    pub const fn in_doubt_retry(self, retry: RetryPolicy) -> Self {
        Self {
            in_doubt_retry: Some(retry),
            ..self
        }
    }

    /// Returns true if the body of a saga may make the first attempt itself, where the engine need not see it.
    ///
    /// The one place that decides it: an option that asks something before each attempt, or limits an attempt, excludes it.
    #[must_use]
    pub(crate) const fn body_may_try(&self) -> bool {
        self.timeout.is_none()
    }

    /// Returns true if the run may make the first attempt of the compensation itself, where the engine need not see it.
    #[must_use]
    pub(crate) const fn run_may_compensate(&self) -> bool {
        self.compensation_timeout.is_none()
    }

    /// The policy of the forward attempts: until it is used up, the saga does not compensate.
    #[must_use]
    pub const fn forward_retry(&self) -> RetryPolicy {
        match (self.set_retry(), self.kind) {
            (Some(retry), Kind::Retriable) => retry.until_success(),
            (Some(retry), _) => retry,
            (None, Kind::Retriable) => RetryPolicy::UNTIL_SUCCESS,
            (None, _) => RetryPolicy::ONCE,
        }
    }

    /// The policy of the forward attempts on an engine with these defaults.
    #[must_use]
    pub(crate) const fn forward_retry_by(&self, defaults: RetryDefaults) -> RetryPolicy {
        match (self.set_retry(), self.kind) {
            (Some(retry), Kind::Retriable) => retry.until_success().or_limits(defaults.retriable),
            (None, Kind::Retriable) => defaults.retriable,
            _ => self.forward_retry(),
        }
    }

    /// The policy of the attempts that settle a step in doubt: they repeat the request to learn what has happened.
    #[must_use]
    pub const fn settling_retry(&self, defaults: RetryDefaults) -> RetryPolicy {
        match (self.in_doubt_retry, self.set_retry()) {
            (Some(retry), _) => retry.or_limits(defaults.compensation),
            (None, Some(retry)) if retry.max_attempts().is_some() => retry,
            _ => defaults.compensation,
        }
    }

    /// The policy of the attempts to compensate or to resolve the step.
    #[must_use]
    pub const fn compensation_retry_by(&self, defaults: RetryDefaults) -> RetryPolicy {
        match self.compensation_retry {
            Some(retry) => retry.or_limits(defaults.compensation),
            None => defaults.compensation,
        }
    }
}
