//! The identity of one saga: the text a caller chose, or one made up for it.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

/// The identity of one saga: any text of 1 to 256 bytes, chosen by the caller or [generated](SagaId::generate).
///
/// Two starts with the same id are the same saga. Every idempotency key of the saga is derived from it, so an id
/// that the client of a service chose makes the whole saga safe to request again.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SagaId(Arc<str>);

impl SagaId {
    /// The longest id, in bytes of UTF-8.
    pub const MAX_BYTES: usize = 256;

    /// Takes `id` as it is.
    ///
    /// # Errors
    /// [`InvalidSagaId`] if it is empty or longer than [`MAX_BYTES`](Self::MAX_BYTES).
    pub fn new(id: impl AsRef<str>) -> Result<Self, InvalidSagaId> {
        let id = id.as_ref();
        match id.len() {
            0 => Err(InvalidSagaId::Empty),
            1..=Self::MAX_BYTES => Ok(Self(id.into())),
            bytes => Err(InvalidSagaId::TooLong { bytes }),
        }
    }

    /// A new id that no other saga has: a UUID of version 7, which sorts by the time it was made.
    #[must_use]
    pub fn generate() -> Self {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        Self(Arc::from(
            &*Uuid::now_v7().hyphenated().encode_lower(&mut text),
        ))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SagaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SagaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::str::FromStr for SagaId {
    type Err = InvalidSagaId;

    fn from_str(id: &str) -> Result<Self, Self::Err> {
        Self::new(id)
    }
}

impl TryFrom<&str> for SagaId {
    type Error = InvalidSagaId;

    fn try_from(id: &str) -> Result<Self, Self::Error> {
        Self::new(id)
    }
}

impl TryFrom<String> for SagaId {
    type Error = InvalidSagaId;

    fn try_from(id: String) -> Result<Self, Self::Error> {
        Self::new(id)
    }
}

impl TryFrom<&String> for SagaId {
    type Error = InvalidSagaId;

    fn try_from(id: &String) -> Result<Self, Self::Error> {
        Self::new(id)
    }
}

impl From<&SagaId> for SagaId {
    fn from(id: &SagaId) -> Self {
        id.clone()
    }
}

/// Written with hyphens, in lower case.
impl From<Uuid> for SagaId {
    fn from(id: Uuid) -> Self {
        Self(id.to_string().into())
    }
}

impl From<Infallible> for InvalidSagaId {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// Why a text can't be a [`SagaId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidSagaId {
    /// It has no characters.
    Empty,
    /// It is longer than [`SagaId::MAX_BYTES`].
    TooLong {
        /// Its length in bytes of UTF-8.
        bytes: usize,
    },
}

impl fmt::Display for InvalidSagaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a saga's id can't be empty"),
            Self::TooLong { bytes } => {
                write!(
                    f,
                    "a saga's id can't be longer than {} bytes, this one has {bytes}",
                    SagaId::MAX_BYTES
                )
            }
        }
    }
}

impl std::error::Error for InvalidSagaId {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_1_to_256_bytes() {
        assert_eq!(SagaId::new(""), Err(InvalidSagaId::Empty));
        assert_eq!(
            SagaId::new("x".repeat(257)),
            Err(InvalidSagaId::TooLong { bytes: 257 })
        );
        assert_eq!(
            SagaId::new("ö".repeat(128)).map(|id| id.as_str().len()),
            Ok(256)
        );
    }

    #[test]
    fn a_uuid_is_an_id() {
        let id = SagaId::from(Uuid::from_u128(0xAB));
        assert_eq!(id.as_str(), "00000000-0000-0000-0000-0000000000ab");
    }

    #[test]
    fn generated_ids_differ_and_sort_by_time() {
        let ids: Vec<_> = (0..100).map(|_| SagaId::generate()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    }
}
