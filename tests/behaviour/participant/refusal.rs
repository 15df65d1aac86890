//! The error of a request that had no effect, or may have had none.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The error of most steps and sagas here. It names the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Refusal {
    /// Nothing was done, and nothing will be.
    Refused(String),
    /// Nothing was done; another attempt may help.
    Busy(String),
    /// The participant does not know if it had an effect.
    Unclear(String),
    /// The saga itself fails.
    Objection(String),
}

impl Refusal {
    pub(crate) fn refused(what: &str) -> Self {
        Self::Refused(what.to_owned())
    }

    pub(crate) fn busy(what: &str) -> Self {
        Self::Busy(what.to_owned())
    }

    pub(crate) fn unclear(what: &str) -> Self {
        Self::Unclear(what.to_owned())
    }

    pub(crate) fn objection(what: &str) -> Self {
        Self::Objection(what.to_owned())
    }

    /// For `retry(when = …)`: whether another attempt may help.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Self::Busy(_))
    }

    /// For `in_doubt(when = …)`: whether it is open if something was done.
    pub(crate) fn is_unclear(&self) -> bool {
        matches!(self, Self::Unclear(_))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(what) => write!(f, "{what} was refused"),
            Self::Busy(what) => write!(f, "{what} was busy"),
            Self::Unclear(what) => write!(f, "{what} was unclear"),
            Self::Objection(what) => write!(f, "objection: {what}"),
        }
    }
}

impl Error for Refusal {}
