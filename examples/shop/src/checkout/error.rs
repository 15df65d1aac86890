//! What can go wrong between the checkout and one service it calls.

use std::error::Error;
use std::iter::successors;

use tonic::{Code, ConnectError, Status};

/// Why a service did not do what the checkout asked.
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
