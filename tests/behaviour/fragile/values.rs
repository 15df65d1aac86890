//! Values whose code panics: inputs, outputs, errors and what a step's future holds.

use std::fmt;
use std::thread;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::participant::Effect;

/// The place where the user's code panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Breaking {
    Nothing,
    Poll,
    FutureDrop,
    InputClone,
    InputDrop,
    OutputClone,
    OutputDrop,
    OutputSerialize,
    OutputDeserialize,
    ErrorDisplay,
    ErrorDrop,
    ErrorFrom,
    ErrorPredicate,
    UndoPoll,
    UndoFutureDrop,
    UndoErrorDisplay,
    UndoErrorDrop,
}

impl Breaking {
    /// All of them.
    pub(super) const ALL: [Self; 17] = [
        Self::Nothing,
        Self::Poll,
        Self::FutureDrop,
        Self::InputClone,
        Self::InputDrop,
        Self::OutputClone,
        Self::OutputDrop,
        Self::OutputSerialize,
        Self::OutputDeserialize,
        Self::ErrorDisplay,
        Self::ErrorDrop,
        Self::ErrorFrom,
        Self::ErrorPredicate,
        Self::UndoPoll,
        Self::UndoFutureDrop,
        Self::UndoErrorDisplay,
        Self::UndoErrorDrop,
    ];

    /// Those of a step that is not limited in time.
    pub(super) const IN_TIME: [Self; 16] = [
        Self::Nothing,
        Self::Poll,
        Self::InputClone,
        Self::InputDrop,
        Self::OutputClone,
        Self::OutputDrop,
        Self::OutputSerialize,
        Self::OutputDeserialize,
        Self::ErrorDisplay,
        Self::ErrorDrop,
        Self::ErrorFrom,
        Self::ErrorPredicate,
        Self::UndoPoll,
        Self::UndoFutureDrop,
        Self::UndoErrorDisplay,
        Self::UndoErrorDrop,
    ];

    /// Those after which a step that can't be undone can be recorded. Without that a saga is stuck on its journal.
    pub(super) const RECORDABLE: [Self; 11] = [
        Self::Nothing,
        Self::Poll,
        Self::FutureDrop,
        Self::InputClone,
        Self::InputDrop,
        Self::OutputClone,
        Self::OutputDrop,
        Self::ErrorDisplay,
        Self::ErrorDrop,
        Self::ErrorFrom,
        Self::ErrorPredicate,
    ];

    /// Whether it is in a compensation or a resolver.
    pub(super) fn is_of_undoing(self) -> bool {
        matches!(
            self,
            Self::UndoPoll | Self::UndoFutureDrop | Self::UndoErrorDisplay | Self::UndoErrorDrop
        )
    }
}

/// Panics in a destructor, unless another panic is under way: two at once end the process.
fn drop_fragile(breaks: bool, what: &str) {
    assert!(!breaks || thread::panicking(), "{what} broke");
}

/// What a step's future holds.
pub(super) struct FragileFuture;

impl Drop for FragileFuture {
    fn drop(&mut self) {
        drop_fragile(true, "a future");
    }
}

/// An input that a step takes by value.
pub(super) struct FragileInput {
    pub(super) breaking: Breaking,
}

impl Clone for FragileInput {
    fn clone(&self) -> Self {
        assert!(self.breaking != Breaking::InputClone, "an input broke");
        Self {
            breaking: self.breaking,
        }
    }
}

impl Drop for FragileInput {
    fn drop(&mut self) {
        drop_fragile(self.breaking == Breaking::InputDrop, "an input");
    }
}

/// The output of a step.
pub(super) struct FragileOutput {
    pub(super) effect: Effect,
    pub(super) breaking: Breaking,
}

impl Clone for FragileOutput {
    fn clone(&self) -> Self {
        assert!(self.breaking != Breaking::OutputClone, "an output broke");
        Self {
            effect: self.effect.clone(),
            breaking: self.breaking,
        }
    }
}

impl Drop for FragileOutput {
    fn drop(&mut self) {
        drop_fragile(self.breaking == Breaking::OutputDrop, "an output");
    }
}

impl Serialize for FragileOutput {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        assert!(
            self.breaking != Breaking::OutputSerialize,
            "an output broke"
        );
        (&self.effect, self.breaking).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for FragileOutput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (effect, breaking) = Deserialize::deserialize(deserializer)?;
        assert!(breaking != Breaking::OutputDeserialize, "an output broke");
        if breaking == Breaking::OutputSerialize {
            return Err(D::Error::custom("it was never written"));
        }
        Ok(Self { effect, breaking })
    }
}

/// The error of a step.
#[derive(Debug)]
pub(super) struct FragileError {
    breaking: Breaking,
    is_open: bool,
}

impl FragileError {
    /// It is open what has happened.
    pub(super) fn open(breaking: Breaking) -> Self {
        Self {
            breaking,
            is_open: true,
        }
    }

    /// Nothing has happened.
    pub(super) fn definite(breaking: Breaking) -> Self {
        Self {
            breaking,
            is_open: false,
        }
    }

    /// For `retry(when = …)` and `in_doubt(when = …)`.
    pub(super) fn is_open(&self) -> bool {
        assert!(
            self.breaking != Breaking::ErrorPredicate,
            "a predicate broke"
        );
        self.is_open
    }
}

impl fmt::Display for FragileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let breaks = matches!(
            self.breaking,
            Breaking::ErrorDisplay | Breaking::UndoErrorDisplay
        );
        assert!(!breaks, "an error broke");
        write!(f, "{:?}", self.breaking)
    }
}

impl Drop for FragileError {
    fn drop(&mut self) {
        let breaks = matches!(self.breaking, Breaking::ErrorDrop | Breaking::UndoErrorDrop);
        drop_fragile(breaks, "an error");
    }
}

/// The error of the sagas.
#[derive(Debug)]
pub(super) struct Failure(pub(super) String);

impl From<FragileError> for Failure {
    fn from(error: FragileError) -> Self {
        assert!(error.breaking != Breaking::ErrorFrom, "a conversion broke");
        Self(format!("{:?}", error.breaking))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
