//! The kinds of steps as types, so that the compiler can check in which order they stand.

use crate::language::Payload;
use crate::meta::Kind;
use crate::panic::drop_caught;

/// One of [`Compensatable`], [`NothingToUndo`], [`Pivot`], [`Retriable`], [`Waiting`].
pub trait KindOf: sealed::Sealed + Send + Sync + 'static {
    /// The kind as data.
    const KIND: Kind;

    /// What the body gets if it looks at the failure itself: the whole result, or, where nothing can fail, the output.
    type Returned<T, F>;

    /// What the body gets.
    fn returned<T, F>(returned: Result<T, F>) -> Self::Returned<T, F>;

    /// What is kept of a finished step's output until the saga ends.
    type Kept<T: Send + Sync + 'static>: Send + Sync + 'static;

    /// Copies the part of the output that the compensation needs.
    fn keep<T: Payload + Send + Sync + 'static>(output: &T) -> Self::Kept<T>;

    /// Keeps the output itself. The body does not get it.
    fn keep_whole<T: Send + Sync + 'static>(output: T) -> Self::Kept<T>;

    /// The output, if it was kept because there is a compensation.
    fn kept<T: Send + Sync + 'static>(kept: &Self::Kept<T>) -> Option<&T>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident, $value:ident keeps $keep:ident, gives $give:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        #[non_exhaustive]
        pub struct $name;

        impl sealed::Sealed for $name {}

        impl KindOf for $name {
            const KIND: Kind = Kind::$value;
            kinds!(@ keeps $keep);
            kinds!(@ gives $give);
        }
    )*};
    (@ gives result) => {
        type Returned<T, F> = Result<T, F>;

        #[inline]
        fn returned<T, F>(returned: Result<T, F>) -> Result<T, F> {
            returned
        }
    };
    (@ gives output) => {
        type Returned<T, F> = T;

        #[inline]
        fn returned<T, F>(returned: Result<T, F>) -> T {
            match returned {
                Ok(output) => output,
                Err(_) => unreachable!("a wait does not refuse"),
            }
        }
    };
    (@ keeps output) => {
        type Kept<T: Send + Sync + 'static> = T;

        #[inline]
        fn keep<T: Payload + Send + Sync + 'static>(output: &T) -> T {
            output.copy()
        }

        #[inline]
        fn keep_whole<T: Send + Sync + 'static>(output: T) -> T {
            output
        }

        #[inline]
        fn kept<T: Send + Sync + 'static>(kept: &T) -> Option<&T> {
            Some(kept)
        }
    };
    (@ keeps nothing) => {
        type Kept<T: Send + Sync + 'static> = ();

        #[inline]
        fn keep<T: Payload + Send + Sync + 'static>(_: &T) {}

        fn keep_whole<T: Send + Sync + 'static>(output: T) {
            drop_caught(output);
        }

        #[inline]
        fn kept<T: Send + Sync + 'static>(_: &()) -> Option<&T> {
            None
        }
    };
}

kinds! {
    /// A step with a compensation: `compensate = path`.
    Compensatable, Compensatable keeps output, gives result;
    /// A step that has nothing to undo: `compensate = ()`.
    NothingToUndo, NothingToUndo keeps nothing, gives result;
    /// A step that can't be undone: `pivot`.
    Pivot, Pivot keeps nothing, gives result;
    /// A step that is retried until it succeeds: `retriable`.
    Retriable, Retriable keeps nothing, gives result;
    /// No step: the saga waits. It never fails, and there is nothing to undo.
    Waiting, NothingToUndo keeps nothing, gives output;
}
