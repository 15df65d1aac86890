//! Keys from gRPC metadata, and errors as gRPC statuses.

use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use crate::error::Error;
use crate::key::{ActionKey, InvalidKey, Key};
use crate::request::KeyError;

impl Key {
    /// The key of a call, from its metadata [`IDEMPOTENCY_KEY`](crate::IDEMPOTENCY_KEY).
    ///
    /// ```
    /// use saga_participant::Key;
    ///
    /// let mut request = tonic::Request::new(());
    /// request.metadata_mut().insert("idempotency-key", "order-17/charge/0".parse()?);
    /// let key = Key::from_metadata(request.metadata())?;
    /// assert_eq!(key.as_str(), "order-17/charge/0");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`KeyError`] if the metadata is missing, stands there twice, or is no key.
    pub fn from_metadata(metadata: &MetadataMap) -> Result<Self, KeyError> {
        Self::from_headers(metadata.as_ref())
    }
}

impl ActionKey {
    /// The key of the call that is to be undone, from the metadata [`ACTION_KEY`](crate::ACTION_KEY) of its compensation.
    ///
    /// # Errors
    /// [`KeyError`] if the metadata is missing, stands there twice, or is no key.
    pub fn from_metadata(metadata: &MetadataMap) -> Result<Self, KeyError> {
        Self::from_headers(metadata.as_ref())
    }
}

/// `INVALID_ARGUMENT`, with the error's text.
impl From<KeyError> for Status {
    fn from(error: KeyError) -> Self {
        Self::invalid_argument(error.to_string())
    }
}

/// `INVALID_ARGUMENT`, with the error's text.
impl From<InvalidKey> for Status {
    fn from(error: InvalidKey) -> Self {
        Self::invalid_argument(error.to_string())
    }
}

/// `INVALID_ARGUMENT` for a text that is no key, `ALREADY_EXISTS` for a key of another request, `UNAVAILABLE` if the
/// database failed, otherwise `INTERNAL`. The text names no secret.
impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let code = match error {
            Error::InvalidKey(_) => Code::InvalidArgument,
            Error::KeyReused => Code::AlreadyExists,
            Error::Database(_) => Code::Unavailable,
            Error::Unanswered | Error::Unreadable(_) | Error::Unrecordable(_) => Code::Internal,
        };
        Self::new(code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_have_the_keys() {
        let mut metadata = MetadataMap::new();
        let missing = Status::from(Key::from_metadata(&metadata).expect_err("none"));
        assert_eq!(missing.code(), Code::InvalidArgument);

        metadata.insert("idempotency-key", "key".parse().expect("ASCII"));
        metadata.insert("action-key", "action".parse().expect("ASCII"));
        let key = Key::from_metadata(&metadata).map(String::from);
        assert_eq!(key.as_deref(), Ok("key"));
        let action = ActionKey::from_metadata(&metadata).map(|key| key.to_string());
        assert_eq!(action.as_deref(), Ok("action"));
    }

    #[test]
    fn an_error_has_a_code() {
        let code = |error: Error| Status::from(error).code();
        assert_eq!(code(Error::KeyReused), Code::AlreadyExists);
        assert_eq!(code(Error::Unanswered), Code::Internal);
        let database = Error::Database(sqlx::Error::PoolClosed);
        assert_eq!(code(database), Code::Unavailable);
    }
}
