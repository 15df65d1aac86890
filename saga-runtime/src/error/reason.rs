//! A reason as text with a code: how causes are recorded and shown.

use std::borrow::Cow;

/// Why something did not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What kind of reason, in a word: `error`, `timed_out`, `panicked`, `cancelled`, `deadline_exceeded`, …
    pub code: Cow<'static, str>,
    /// A sentence.
    pub message: String,
    /// The error itself, if the saga's body handles it.
    pub error: Option<String>,
}

impl Reason {
    /// A reason that is text only.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            error: None,
        }
    }
}
