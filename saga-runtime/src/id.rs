//! The id of a saga: a text that the caller chose, or a generated one.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use crate::escaped::Escaped;

/// The id of a saga: any text of 1 to 256 bytes, chosen by the caller or [generated](SagaId::generate).
///
/// Two starts with the same id are one saga. All idempotency keys of the saga contain its id. So if a client chooses
/// the id, it can repeat its request safely: the saga runs once.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SagaId(Arc<str>);

impl SagaId {
    /// The longest id, in bytes of UTF-8.
    pub const MAX_BYTES: usize = 256;

    /// Creates an id from a text, unchanged.
    ///
    /// # Errors
    /// [`InvalidSagaId`] if the text is empty or longer than [`MAX_BYTES`](Self::MAX_BYTES).
    pub fn new(id: impl AsRef<str>) -> Result<Self, InvalidSagaId> {
        let id = id.as_ref();
        match id.len() {
            0 => Err(InvalidSagaId::Empty),
            1..=Self::MAX_BYTES => Ok(Self(id.into())),
            bytes => Err(InvalidSagaId::TooLong { bytes }),
        }
    }

    /// Generates a new, unique id: a UUID of version 7. Such ids sort by the time of their creation.
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

/// For people: control characters are escaped. [`as_str`](SagaId::as_str) is the id as it is.
impl fmt::Display for SagaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped(&self.0).fmt(f)
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

/// The text of the UUID with hyphens, in lower case.
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

/// The error of a text that can't be a [`SagaId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidSagaId {
    /// The text is empty.
    Empty,
    /// The text is longer than [`SagaId::MAX_BYTES`].
    TooLong {
        /// The length of the text in bytes of UTF-8.
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
