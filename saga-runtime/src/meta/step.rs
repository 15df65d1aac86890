//! A step's durable name, its kind and its policies.

use std::fmt::{self, Display};
use std::time::Duration;

use crate::meta::RetryPolicy;

/// How a step is undone, as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It has a compensation.
    Compensatable,
    /// It reads, or what it does is harmless: there is nothing to undo.
    NothingToUndo,
    /// It can't be undone; once it has succeeded, the saga only goes forward.
    Pivot,
    /// It is retried until it succeeds; it never makes the saga fail.
    Retriable,
}

impl Kind {
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

/// A step's durable name and its policies: what `#[step(…)]` says.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct StepMeta {
    /// The name in journals, keys, spans and errors. Renaming the function without `name = "…"` changes it.
    pub name: &'static str,
    /// How it is undone.
    pub kind: Kind,
    /// The path of the compensation as it was written, if it has one.
    pub compensation: Option<&'static str>,
    /// The path of the resolver as it was written, if it has one.
    pub resolver: Option<&'static str>,
    /// The longest that one attempt may take.
    pub timeout: Option<Duration>,
    /// How often it is attempted; `None` where nothing was said.
    pub retry: Option<RetryPolicy>,
    /// The longest that one attempt of the compensation may take.
    pub compensation_timeout: Option<Duration>,
    /// How often the compensation is attempted.
    pub compensation_retry: RetryPolicy,
}

impl StepMeta {
    /// A step with this name and kind, and no policies but the defaults.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            compensation: None,
            resolver: None,
            timeout: None,
            retry: None,
            compensation_timeout: None,
            compensation_retry: RetryPolicy::COMPENSATION,
        }
    }

    /// The same step with the compensation at this path.
    #[must_use]
    pub const fn compensation(self, path: &'static str) -> Self {
        Self {
            compensation: Some(path),
            ..self
        }
    }

    /// The same step with the resolver at this path.
    #[must_use]
    pub const fn resolver(self, path: &'static str) -> Self {
        Self {
            resolver: Some(path),
            ..self
        }
    }

    /// The same step with a limit on each attempt.
    #[must_use]
    pub const fn timeout(self, timeout: Duration) -> Self {
        Self {
            timeout: Some(timeout),
            ..self
        }
    }

    /// The same step, attempted by this policy.
    #[must_use]
    pub const fn retry(self, retry: RetryPolicy) -> Self {
        Self {
            retry: Some(retry),
            ..self
        }
    }

    /// The same step with a limit on each attempt of its compensation.
    #[must_use]
    pub const fn compensation_timeout(self, timeout: Duration) -> Self {
        Self {
            compensation_timeout: Some(timeout),
            ..self
        }
    }

    /// The same step with a compensation that is attempted by this policy.
    #[must_use]
    pub const fn compensation_retry(self, retry: RetryPolicy) -> Self {
        Self {
            compensation_retry: retry,
            ..self
        }
    }

    /// How often it is attempted before the saga goes backward.
    #[must_use]
    pub const fn forward_retry(&self) -> RetryPolicy {
        match (self.retry, self.kind) {
            (Some(retry), _) => retry,
            (None, Kind::Retriable) => RetryPolicy::UNTIL_SUCCESS,
            (None, _) => RetryPolicy::ONCE,
        }
    }

    /// How often it is attempted again to find out what an attempt without a definite answer has done.
    #[must_use]
    pub const fn settling_retry(&self) -> RetryPolicy {
        match self.retry {
            Some(retry) => retry,
            None => RetryPolicy::COMPENSATION,
        }
    }
}
