//! The keys that participants remember: texts that travel in a header, in gRPC metadata or in a field of the request.

use std::fmt;

use thiserror::Error;

/// The header, or the gRPC metadata, with the key of a request.
///
/// A step sends its `cx.idempotency_key()` under this name, as it is.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The header, or the gRPC metadata, with the key of the request that a compensation undoes.
///
/// A compensation sends its `cx.action_key()` under this name, as it is.
pub const ACTION_KEY: &str = "action-key";

/// The name of one request: every repetition has the same.
///
/// A key has 1 to [`MAX_BYTES`](Self::MAX_BYTES) visible ASCII characters, as the `IdempotencyKey` of a saga has.
/// [`Participant`](crate::Participant) takes any text, so a `Key` is for services that read one from a request.
///
/// ```
/// use saga_participant::Key;
///
/// let key = Key::new("order-17/charge/0")?;
/// assert_eq!(key.as_str(), "order-17/charge/0");
/// Key::new("order 17").expect_err("a space is not visible");
/// # Ok::<(), saga_participant::InvalidKey>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

/// The key of the request that a compensation undoes: what [`Participant::cancel`](crate::Participant::cancel) takes.
///
/// It is a type of its own so that a handler can't mistake it for the compensation's own key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionKey(pub Key);

/// The error for a text that is no key: it is empty, too long, or not of visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "an idempotency key must be 1 to {} visible ASCII characters",
    Key::MAX_BYTES
)]
pub struct InvalidKey(());

impl Key {
    /// The longest key, in bytes: what an index of Postgres holds. For longer ones, send
    /// `cx.idempotency_key().to_uuid()`.
    pub const MAX_BYTES: usize = 2_000;

    /// Takes a text as a key.
    ///
    /// # Errors
    /// [`InvalidKey`] if it is empty, too long, or not of visible ASCII characters.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidKey> {
        let text = text.into();
        check(&text).map(|()| Self(text))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Fails unless `text` is a key.
pub(crate) fn check(text: &str) -> Result<(), InvalidKey> {
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    if visible && (1..=Key::MAX_BYTES).contains(&text.len()) {
        Ok(())
    } else {
        Err(InvalidKey(()))
    }
}

impl AsRef<str> for Key {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<&str> for Key {
    type Error = InvalidKey;

    fn try_from(text: &str) -> Result<Self, InvalidKey> {
        Self::new(text)
    }
}

impl TryFrom<String> for Key {
    type Error = InvalidKey;

    fn try_from(text: String) -> Result<Self, InvalidKey> {
        Self::new(text)
    }
}

impl std::str::FromStr for Key {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        Self::new(text)
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.0
    }
}

impl ActionKey {
    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl AsRef<str> for ActionKey {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for ActionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_visible_ascii_of_a_limited_length() {
        let longest = "k".repeat(Key::MAX_BYTES);
        for text in ["k", "order-17/charge/0/compensation", "a%20b~!", &longest] {
            Key::new(text).expect("a key");
        }
        let too_long = "k".repeat(Key::MAX_BYTES + 1);
        for text in ["", "a b", "a\n", "a\0", "ü", &too_long] {
            Key::new(text).expect_err("no key");
        }
    }
}
