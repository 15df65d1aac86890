//! The reasons why a key is not told its answer.

use thiserror::Error;

use crate::key::InvalidKey;

/// The reason why a [`Participant`](crate::Participant) gave no answer.
///
/// After each of them the caller's transaction is to be rolled back: nothing has happened then.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is no key.
    #[error(transparent)]
    InvalidKey(#[from] InvalidKey),
    /// The key belongs to a request that asked for something else
    /// ([`begin_for`](crate::Participant::begin_for)).
    #[error("this idempotency key was used for another request")]
    KeyReused,
    /// The first request under this key was committed without its answer: a mistake of the service, which committed
    /// although [`First`](crate::First) was not used.
    #[error("the first request under this idempotency key was committed without an answer")]
    Unanswered,
    /// The recorded answer does not fit the type that is asked for now.
    #[error("the recorded answer can't be read")]
    Unreadable(#[source] serde_json::Error),
    /// The answer can't be recorded.
    #[error("the answer can't be recorded")]
    Unrecordable(#[source] serde_json::Error),
    /// The database failed.
    #[error("the table of answers can't be used")]
    Database(#[from] sqlx::Error),
}
