//! A reason as a code and a text: the recorded form of causes.

use std::borrow::Cow;
use std::convert::Infallible;

use crate::error::{Cause, Unescaped};

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
        Self::new(cause.code(), Unescaped(cause).to_string())
    }
}

impl Reason {
    /// Creates a reason without a recorded error. A text of more than 4 KiB is cut.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: shortened(message.into()),
            error: None,
        }
    }
}

/// The most bytes of an error's text that are recorded. One of many megabytes would be recorded with each attempt.
const MOST_BYTES: usize = 4096;

/// Cuts a text that is too long to be recorded, between two characters, and marks that it is cut.
pub(crate) fn shortened(mut text: String) -> String {
    let bytes = text.len();
    if bytes > MOST_BYTES {
        let mark = format!("… ({bytes} bytes)");
        let mut ends = (0..=MOST_BYTES - mark.len()).rev();
        let end = ends.find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
        text.push_str(&mark);
        text.shrink_to_fit();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_two_characters_and_says_so() {
        for text in ["x".repeat(4096), "ö".repeat(2048), String::new()] {
            assert_eq!(shortened(text.clone()), text);
        }
        for (text, bytes) in [
            ("x".repeat(4097), 4097),
            ("ö".repeat(10_000_000), 20_000_000),
        ] {
            let cut = Reason::new("error", text).message;
            assert!((4090..=4096).contains(&cut.len()), "{} bytes", cut.len());
            assert!(cut.ends_with(&format!("… ({bytes} bytes)")), "{cut}");
        }
    }
}
