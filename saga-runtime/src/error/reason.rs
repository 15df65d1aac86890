//! A reason as a code and a text: the recorded form of causes.

use std::borrow::Cow;
use std::convert::Infallible;

use crate::error::Cause;

/// The reason why a step or a saga failed or is stuck, in its recorded form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The kind of the reason, in a word: `error`, `timed_out`, `panicked`, `cancelled`, `deadline_exceeded`, …
    pub code: Cow<'static, str>,
    /// The text, a sentence.
    pub message: String,
    /// The step's error as JSON, if the saga's body handles it.
    pub error: Option<String>,
}

impl From<&Cause<Infallible>> for Reason {
    fn from(cause: &Cause<Infallible>) -> Self {
        Self::new(cause.code(), cause.to_string())
    }
}

impl Reason {
    /// Creates a reason without a recorded error.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            error: None,
        }
    }
}
