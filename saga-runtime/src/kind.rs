//! The kinds of steps as types, so that the compiler can check in which order they stand.

use crate::payload::Payload;
use crate::step::Kind;

/// One of [`Compensatable`], [`NothingToUndo`], [`Pivot`], [`Retriable`].
pub trait StepKind: sealed::Sealed + Send + Sync + 'static {
    /// The kind as data.
    const KIND: Kind;

    /// What is kept of a finished step's output until the saga ends.
    type Kept<T: Send + Sync + 'static>: Send + Sync + 'static;

    /// Keeps what the compensation will need.
    fn keep<T: Payload + Send + Sync + 'static>(output: &T) -> Self::Kept<T>;

    /// The output, if it was kept because there is a compensation.
    fn kept<T: Send + Sync + 'static>(kept: &Self::Kept<T>) -> Option<&T>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident, $value:ident in $keep:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        #[non_exhaustive]
        pub struct $name;

        impl sealed::Sealed for $name {}

        impl StepKind for $name {
            const KIND: Kind = Kind::$value;
            kinds!(@ $keep);
        }
    )*};
    (@ output) => {
        type Kept<T: Send + Sync + 'static> = T;

        #[inline]
        fn keep<T: Payload + Send + Sync + 'static>(output: &T) -> T {
            output.copy()
        }

        #[inline]
        fn kept<T: Send + Sync + 'static>(kept: &T) -> Option<&T> {
            Some(kept)
        }
    };
    (@ nothing) => {
        type Kept<T: Send + Sync + 'static> = ();

        #[inline]
        fn keep<T: Payload + Send + Sync + 'static>(_: &T) {}

        #[inline]
        fn kept<T: Send + Sync + 'static>(_: &()) -> Option<&T> {
            None
        }
    };
}

kinds! {
    /// A step with a compensation: `compensate = path`.
    Compensatable, Compensatable in output;
    /// A step that has nothing to undo: `compensate = ()`.
    NothingToUndo, NothingToUndo in nothing;
    /// A step that can't be undone: `pivot`.
    Pivot, Pivot in nothing;
    /// A step that is retried until it succeeds: `retriable`.
    Retriable, Retriable in nothing;
}
