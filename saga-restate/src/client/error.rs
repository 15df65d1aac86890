//! The failures between a client and Restate.

use bytes::Bytes;
use http::StatusCode;
use restate_sdk::ingress;
use saga_runtime::engine::Escaped;
use saga_runtime::operator::Refusal;
use saga_runtime::{InvalidSagaId, Saga, SagaId};
use serde::Deserialize;
use thiserror::Error;

use crate::decision::{Trouble, read_refusal};
use crate::failure_report::Report;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// The reason why Restate did not do as asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The text is not the address of an ingress.
    #[error("not the address of a Restate ingress")]
    Address(#[source] Source),
    /// The text is no id of a saga.
    #[error(transparent)]
    Id(InvalidSagaId),
    /// The input, or the value of an event, can't be recorded.
    #[error("the input or event can't be recorded")]
    Input(#[source] serde_json::Error),
    /// The id belongs to a saga with another input.
    #[error("saga `{saga}` with the id `{id}` was started with another input")]
    Conflict {
        /// The durable name of the saga.
        saga: &'static str,
        /// The id.
        id: SagaId,
    },
    /// No such saga was started.
    #[error("there is no saga `{saga}` with the id `{id}`")]
    Unknown {
        /// The durable name of the saga.
        saga: &'static str,
        /// The id.
        id: SagaId,
    },
    /// Restate could not be reached, and may have got the request or not.
    #[error("Restate can't be reached")]
    Unreachable(#[source] Source),
    /// The saga does not take this command now.
    #[error(transparent)]
    Declined(Refusal),
    /// Restate says no.
    #[error("Restate says {status}: {}", Escaped(.message))]
    Refused {
        /// The status of its answer.
        status: u16,
        /// The text of its answer.
        message: String,
    },
}

/// The reason why a saga has no result.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// It failed.
    #[error(transparent)]
    Failed(Box<Report>),
    /// It can't be undone, or its pivot gave no answer: it waits for the decision of an operator.
    #[error(transparent)]
    Stuck(Box<Trouble>),
    /// It was killed, or ended in another way that is not its own. Its steps are not known, and nothing more is
    /// compensated.
    #[error("the saga was ended by Restate: {}", Escaped(.message))]
    Ended {
        /// The message of Restate.
        message: String,
    },
    /// The result can't be read.
    #[error("the result of the saga can't be read")]
    Result(#[source] serde_json::Error),
    /// The state of the saga is not known.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// The body of an answer that is an error.
#[derive(Deserialize)]
struct Body {
    message: String,
}

fn message(body: &Bytes) -> String {
    serde_json::from_slice::<Body>(body).map_or_else(
        |_| String::from_utf8_lossy(body).into_owned(),
        |body| body.message,
    )
}

impl ClientError {
    pub(super) fn address(error: impl Into<Source>) -> Self {
        Self::Address(error.into())
    }

    pub(super) fn from_ingress(error: ingress::ClientError) -> Self {
        match error {
            // An answer with missing fields still has its message.
            ingress::ClientError::Status { response, .. }
            | ingress::ClientError::Protocol { response, .. }
                if !response.status().is_success() =>
            {
                Self::Refused {
                    status: response.status().as_u16(),
                    message: message(response.body()),
                }
            }
            other => Self::Unreachable(Box::new(other)),
        }
    }

    /// The same, if it is the refusal of a command.
    pub(super) fn declined(self) -> Self {
        match self {
            Self::Refused { status, message } => match read_refusal(&message) {
                Some(refusal) => Self::Declined(refusal),
                None if status == StatusCode::NOT_FOUND.as_u16() => {
                    Self::Declined(Refusal::new("unknown", message))
                }
                None => Self::Refused { status, message },
            },
            other => other,
        }
    }

    /// The same, if it says that there is no such saga.
    pub(super) fn unknown<G: Saga>(self, id: &SagaId) -> Self {
        match self {
            Self::Refused { status, .. } if status == StatusCode::NOT_FOUND.as_u16() => {
                Self::Unknown {
                    saga: G::META.name,
                    id: id.clone(),
                }
            }
            other => other,
        }
    }
}

impl ExecuteError {
    /// The reason in an answer that is not the saga's result.
    pub(super) fn from_ingress(error: ingress::ClientError) -> Self {
        match ClientError::from_ingress(error) {
            ClientError::Refused { message, status } => match Report::read(&message) {
                Some(report) => Self::Failed(Box::new(report)),
                None if status == StatusCode::NOT_FOUND.as_u16() => {
                    Self::Client(ClientError::Refused { status, message })
                }
                None => Self::Ended { message },
            },
            other => Self::Client(other),
        }
    }
}
