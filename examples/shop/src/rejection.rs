//! Why a participant does not do what it is asked, and which gRPC status says so.

use tonic::Status;

use crate::item::ItemError;
use crate::money::MoneyError;

/// A request that is not done. All but [`Database`](Self::Database) are definite: nothing happened, and a repeated
/// request gets the same answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// A rule of the business stands against it.
    #[error("{0}")]
    Refused(String),
    /// The key was cancelled, perhaps before this request arrived.
    #[error("this idempotency key was cancelled")]
    Cancelled,
    /// The key belongs to a request that asked for something else.
    #[error("this idempotency key was used for another request")]
    KeyReused,
    /// The database failed.
    #[error("the service cannot use its database")]
    Database(#[from] sqlx::Error),
}

impl From<saga_participant::Error> for Rejection {
    fn from(error: saga_participant::Error) -> Self {
        match error {
            saga_participant::Error::KeyReused => Self::KeyReused,
            saga_participant::Error::InvalidKey(error) => Self::Invalid(error.to_string()),
            saga_participant::Error::Database(error) => Self::Database(error),
            other => Self::Database(sqlx::Error::Decode(other.into())),
        }
    }
}

impl From<Rejection> for Status {
    fn from(rejection: Rejection) -> Self {
        let text = rejection.to_string();
        match rejection {
            Rejection::Invalid(_) => Self::invalid_argument(text),
            Rejection::NotFound(_) => Self::not_found(text),
            Rejection::Refused(_) | Rejection::Cancelled => Self::failed_precondition(text),
            Rejection::KeyReused => Self::already_exists(text),
            Rejection::Database(error) => {
                tracing::error!(%error, "the database failed");
                Self::internal(text)
            }
        }
    }
}

impl From<MoneyError> for Rejection {
    fn from(error: MoneyError) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<ItemError> for Rejection {
    fn from(error: ItemError) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl Rejection {
    /// A field that must be set is not.
    pub(crate) fn missing(field: &str) -> Self {
        Self::Invalid(format!("`{field}` is missing"))
    }
}

/// A number that counts or names something.
///
/// # Errors
/// [`Rejection::Invalid`], with the field's name, when it is zero or less.
pub(crate) fn positive<N: PartialOrd + Default>(field: &str, number: N) -> Result<N, Rejection> {
    if number > N::default() {
        Ok(number)
    } else {
        Err(Rejection::Invalid(format!(
            "`{field}` must be more than zero"
        )))
    }
}
