//! The kinds of steps as types, so that the compiler can check the order of steps.

use crate::language::Payload;
use crate::meta::Kind;
use crate::panic::drop_caught;

/// A kind as a type: [`Compensatable`], [`NothingToUndo`], [`Pivot`], [`Retriable`] or [`Waiting`].
pub trait KindOf: sealed::Sealed + Send + Sync + 'static {
    /// The kind as data.
    const KIND: Kind;

    /// The value of `call.await` in a body: the whole result, or the output alone if the call never fails.
    type Returned<T, F>;

    /// Converts the result of a call into the value of `call.await`.
    fn returned<T, F>(returned: Result<T, F>) -> Self::Returned<T, F>;

    /// The value stored for compensation: the output, or nothing if there is no compensation.
    type Kept<T: Send + Sync + 'static>: Send + Sync + 'static;

    /// Copies the output, if the compensation needs it.
    fn keep<T: Payload + Send + Sync + 'static>(output: &T) -> Self::Kept<T>;

    /// Keeps the output itself. The body does not get it.
    fn keep_whole<T: Send + Sync + 'static>(output: T) -> Self::Kept<T>;

    /// The stored output. `None` if there is no compensation.
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
    /// A wait, not a step. It never fails, and there is nothing to undo.
    Waiting, NothingToUndo keeps nothing, gives output;
}
