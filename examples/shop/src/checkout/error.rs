//! What can go wrong in a checkout: at a service that it calls, or with whoever has to approve.

use std::error::Error;
use std::iter::successors;
use std::time::Duration;

use tonic::{Code, ConnectError, Status};

/// Why an order is not sold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckoutError {
    /// It said no. Nothing happened.
    #[error("{service} refused: {reason}")]
    Refused {
        /// Who.
        service: &'static str,
        /// Its words.
        reason: String,
    },
    /// It could not be asked. Nothing happened.
    #[error("{service} cannot be reached")]
    Unreachable {
        /// Who.
        service: &'static str,
    },
    /// It was asked, and gave no answer that says whether anything happened.
    #[error("{service} gave no answer: {reason}")]
    NoAnswer {
        /// Who.
        service: &'static str,
        /// What came instead.
        reason: String,
    },
    /// Somebody has looked at the order, and does not want it.
    #[error("rejected: {reason}")]
    Rejected {
        /// Why.
        reason: String,
    },
    /// Nobody has looked at the order in time.
    #[error("nobody has approved it within {}", humantime::format_duration(*.within))]
    NotApproved {
        /// The time.
        within: Duration,
    },
}

impl CheckoutError {
    /// Reads the status with which a call to this service ended.
    pub(crate) fn at(service: &'static str) -> impl Fn(Status) -> Self {
        move |status| match status.code() {
            Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::FailedPrecondition => Self::Refused {
                service,
                reason: status.message().to_owned(),
            },
            Code::Unavailable if was_never_sent(&status) => Self::Unreachable { service },
            _ => Self::NoAnswer {
                service,
                reason: status.message().to_owned(),
            },
        }
    }

    /// Whether it may have happened all the same.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        matches!(self, Self::NoAnswer { .. })
    }

    /// Whether asking again may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::NoAnswer { .. } | Self::Unreachable { .. })
    }
}

/// Without a connection nothing has left this process.
fn was_never_sent(status: &Status) -> bool {
    successors(status.source(), |&error| error.source()).any(<dyn Error>::is::<ConnectError>)
}
