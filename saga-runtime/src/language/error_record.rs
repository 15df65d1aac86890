//! The recorded form of an error: text, or the whole error as JSON if its type allows it.

use std::fmt::{self, Display};
use std::io;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::error::{Cause, Reason, SagaError, Unescaped};
use crate::language::payload::read_back;
use crate::panic::{caught, drop_caught, text};

/// The form in which an error is recorded.
pub enum ErrorRecord<E> {
    /// As text.
    Text,
    /// Whole, if it is read back as the same value; otherwise as text. The error ends the saga.
    Typed(ErrorCodec<E>),
    /// Whole in any case, because the body handles it.
    Whole(ErrorCodec<E>),
}

/// The functions that write and read an error.
pub struct ErrorCodec<E> {
    /// Writes it as JSON.
    pub write: fn(&E) -> serde_json::Result<String>,
    /// Reads it again.
    pub read: fn(&str) -> serde_json::Result<E>,
}

/// The most bytes of JSON of an error that ends a saga. A larger one is recorded as text.
const MOST_BYTES: usize = 64 * 1024;

impl<E> ErrorRecord<E> {
    /// Returns true if an error like this ends the saga.
    pub(crate) fn ends(self) -> bool {
        !matches!(self, Self::Whole(_))
    }

    /// This form, or `other` if this one is text.
    pub(crate) fn or(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Text => other(),
            whole => whole,
        }
    }

    /// The error as JSON, if it is recorded whole and can be.
    pub fn write(self, error: &E) -> Option<String> {
        match self {
            Self::Text => None,
            Self::Whole(codec) => caught(|| (codec.write)(error)).ok()?.ok(),
            Self::Typed(codec) => {
                let (json, back) = codec.record(error, MOST_BYTES).ok()?;
                drop_caught(back);
                Some(json)
            }
        }
    }

    /// The error that is read back from its JSON, if it is recorded whole: every later caller gets that.
    fn record(self, error: &E) -> Option<Result<E, String>> {
        let (codec, limit) = match self {
            Self::Text => return None,
            Self::Typed(codec) => (codec, MOST_BYTES),
            Self::Whole(codec) => (codec, usize::MAX),
        };
        Some(codec.record(error, limit).map(|(_, back)| back))
    }

    /// The JSON of an error that the body handles, and the error that is read back from it.
    ///
    /// # Errors
    /// If it can't be recorded whole.
    pub(crate) fn handled(self, error: &E) -> Result<(String, E), String> {
        match self {
            Self::Text => Err("it is recorded as text".to_owned()),
            Self::Typed(codec) | Self::Whole(codec) => codec.record(error, usize::MAX),
        }
    }

    /// The error with which the body goes on, as a replay reads it. `None` if it stays as it is: it ends the saga and is recorded
    /// as text.
    ///
    /// # Errors
    /// If the body handles it, and it can't be read back.
    pub(crate) fn replayed(self, error: &E) -> Result<Option<E>, String> {
        match self.record(error) {
            None => Ok(None),
            Some(Err(_)) if self.ends() => Ok(None),
            Some(recorded) => recorded.map(Some),
        }
    }

    /// Returns true if a journal could record the error, as far as it has to.
    pub(crate) fn is_recordable(self, error: &E) -> bool {
        self.replayed(error).map(drop_caught).is_ok()
    }

    /// The error that was recorded whole.
    pub(crate) fn read(self, text: &str) -> Option<serde_json::Result<E>> {
        match self {
            Self::Text => None,
            Self::Typed(codec) => codec.read(text).ok().map(Ok),
            Self::Whole(codec) => Some(codec.read(text)),
        }
    }

    /// The cause of a failure, from its recorded reason.
    pub(crate) fn cause(self, reason: &Reason) -> Cause<E> {
        let error = reason.error.as_deref().and_then(|json| self.read(json));
        match error {
            Some(Ok(error)) if reason.code == "error" => Cause::Error(error),
            _ => Cause::recorded(&reason.code, reason.message.clone()),
        }
    }
}

impl<E: Display> ErrorRecord<E> {
    /// The error of a saga as every caller gets it, the first one as well: with the cause that is read back from a journal. An error
    /// whose type is not `Serialize + Deserialize` stays as it is: only later callers get its text.
    #[must_use]
    pub fn as_recorded(self, error: SagaError<E>) -> SagaError<E> {
        error.with_cause(|cause| {
            if let Cause::Error(error) = cause
                && let Ok(back) = self.record(error)?
            {
                return Some(Cause::Error(back));
            }
            let recorded = Reason::new(cause.code(), text(&Unescaped(cause)));
            Some(Cause::recorded(&recorded.code, recorded.message))
        })
    }
}

impl<E> ErrorCodec<E> {
    /// The JSON of an error, and the error that is read back from it.
    fn record(self, error: &E, limit: usize) -> Result<(String, E), String> {
        let rewrite = |error: &E, buffer: &mut dyn io::Write| {
            let json = (self.write)(error)?;
            let written = buffer.write_all(json.as_bytes());
            written.map_err(serde_json::Error::io)
        };
        let json = match caught(|| (self.write)(error)) {
            Ok(Ok(json)) => json,
            Ok(Err(unwritten)) => return Err(unwritten.to_string()),
            Err(panic) => return Err(format!("panicked: {panic}")),
        };
        if json.len() > limit {
            return Err(format!("it has {} bytes as JSON", json.len()));
        }
        let back = read_back(&json, rewrite, self.read)?;
        Ok((json, back))
    }

    fn read(self, text: &str) -> serde_json::Result<E> {
        caught(|| (self.read)(text)).unwrap_or_else(|panic| {
            Err(<serde_json::Error as serde::de::Error>::custom(format!(
                "panicked: {panic}"
            )))
        })
    }
}

/// The type of a saga's or a step's error. `ErrorOf::<E>::NEW.record()` is the form in which such errors are recorded.
///
/// Rustc finds the method of `TypedErrorOf` first, and that of `TextErrorOf` if the type has not what the first one
/// needs.
#[derive(Debug)]
pub struct ErrorOf<E>(TypedErrorOf<E>);

/// See [`ErrorOf`]: the type is `Serialize + Deserialize`.
#[derive(Debug)]
pub struct TypedErrorOf<E>(TextErrorOf<E>);

/// See [`ErrorOf`]: any other type.
#[derive(Debug)]
pub struct TextErrorOf<E>(PhantomData<fn() -> E>);

impl<E> ErrorOf<E> {
    /// The type.
    pub const NEW: Self = Self(TypedErrorOf(TextErrorOf(PhantomData)));
}

// Not `DeserializeOwned`: rustc ignores lifetimes while it looks for a method, so it would choose this one for an error
// with a `&'static str` too, and then report that it is not general enough. Such an error is chosen here as well, and its
// text is recorded, because a reader lends it nothing.
impl<E: Serialize + Deserialize<'static>> TypedErrorOf<E> {
    /// Whole, if it can be.
    #[expect(
        clippy::unused_self,
        reason = "rustc looks the method up by the type of `self`"
    )]
    #[must_use]
    pub fn record(&self) -> ErrorRecord<E> {
        ErrorRecord::Typed(ErrorCodec {
            write: |error| serde_json::to_string(error),
            read: |text| {
                let mut reader = serde_json::Deserializer::from_reader(text.as_bytes());
                let error = E::deserialize(&mut reader)?;
                reader.end()?;
                Ok(error)
            },
        })
    }
}

impl<E> TextErrorOf<E> {
    /// As text.
    #[expect(
        clippy::unused_self,
        reason = "rustc looks the method up by the type of `self`"
    )]
    #[must_use]
    pub fn record(&self) -> ErrorRecord<E> {
        ErrorRecord::Text
    }
}

impl<E> Deref for ErrorOf<E> {
    type Target = TypedErrorOf<E>;

    fn deref(&self) -> &TypedErrorOf<E> {
        &self.0
    }
}

impl<E> Deref for TypedErrorOf<E> {
    type Target = TextErrorOf<E>;

    fn deref(&self) -> &TextErrorOf<E> {
        &self.0
    }
}

impl<E> Clone for ErrorRecord<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for ErrorRecord<E> {}

impl<E> Clone for ErrorCodec<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for ErrorCodec<E> {}

impl<E> fmt::Debug for ErrorRecord<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "Text",
            Self::Typed(_) => "Typed",
            Self::Whole(_) => "Whole",
        })
    }
}

impl<E> fmt::Debug for ErrorCodec<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorCodec").finish_non_exhaustive()
    }
}
