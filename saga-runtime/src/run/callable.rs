//! Calls: what the body of a saga hands to the run, and how it ended.

use std::borrow::Cow;
use std::fmt;

use crate::attempts::{AttemptResult, BoxFuture, ErrorRecord};
use crate::error::Compensation;
use crate::language::Part;
use crate::place::{Calls, Place};
use crate::run::first_attempt::FirstAttempt;
use crate::run::unwind::{KeptCall, Unwind};
use crate::run::{Engine, Stop};

/// Something that the body of a saga calls on the engine `E`: a step, or another saga.
pub trait Callable<'run, E: Engine>: Sized + Send {
    /// What is called.
    type Part: Part;

    /// What it returns.
    type Output: Send;

    /// Why it can fail.
    type Error: Send;

    /// What its end leaves behind.
    type Left: Send;

    /// What is kept of that in the run.
    type KeptCall: KeptCall + Unwind<E>;

    /// The maker of its first attempt: `InBody` for a step, `OnEngine` for everything else.
    type FirstAttempt: FirstAttempt<'run, Self, E>;

    /// True for a saga, whose calls are in a frame of their own.
    const IS_SAGA: bool;

    /// The value stored for compensation, made of what the end leaves behind and of the output, if the call is done.
    fn entry(left: Self::Left, output: Option<&Self::Output>) -> Option<Self::KeptCall>;

    /// Hands the call to the engine until its outcome is settled. The engine goes on after the `first` attempt, if the body
    /// has made one, and takes it. `errors` says how a refusal is recorded.
    fn pursue<'a>(
        self,
        engine: &'run E,
        calls: &'a dyn Calls,
        first: &mut First<'run, Self, E>,
        errors: ErrorRecord<Self::Error>,
    ) -> BoxFuture<'a, EndOf<'run, Self, E>>
    where
        Self: 'a,
        'run: 'a;
}

/// A call with attempts, the first of which the body may make itself: a step.
pub trait Tryable<'run, E: Engine>: Callable<'run, E> {
    /// Begins the first attempt.
    fn attempt<'p>(
        &self,
        place: &'p dyn Place,
    ) -> impl Future<Output = Result<Self::Output, Self::Error>> + Send + use<'p, 'run, Self, E>
    where
        'run: 'p;

    /// The part of [`Callable::Left`] that is known before the call has ended.
    fn left(&self) -> Self::Left;

    /// Returns true if this refusal of the first attempt settles the call.
    fn is_settled_by(error: &Self::Error) -> bool;
}

/// How the call `C` ended on the engine `E`.
pub type EndOf<'run, C, E> = CallEnd<
    <C as Callable<'run, E>>::Output,
    <C as Callable<'run, E>>::Error,
    <C as Callable<'run, E>>::Left,
    <E as Engine>::Suspension,
>;

/// How the first attempt of a call has ended, if the body has made one.
pub type First<'run, C, E> =
    Option<AttemptResult<<C as Callable<'run, E>>::Output, <C as Callable<'run, E>>::Error>>;

/// What the body gets from a call.
pub type Returned<'run, C, E> =
    Result<<C as Callable<'run, E>>::Output, <C as Callable<'run, E>>::Error>;

/// How a call ended for good.
pub struct CallEnd<T, F, L, X> {
    /// Whether it counts as called: not if the engine lets go of the saga.
    pub(super) is_called: bool,
    /// What it leaves behind.
    pub(super) left: L,
    /// The output of a step that is done, although the body does not get it.
    pub(super) kept: Option<T>,
    /// What was settled or undone already.
    pub(super) settled: Vec<Compensation>,
    /// Where inside of it it failed, if it is a saga.
    pub(super) failed_at: Option<Cow<'static, str>>,
    /// What the body gets, or why the saga ends without its having a say.
    pub(super) returned: Result<Result<T, F>, Stop<X>>,
}

/// What was settled, where inside of it it failed, and what the body gets.
pub(super) type Returning<T, F, X> = (
    Vec<Compensation>,
    Option<Cow<'static, str>>,
    Result<Result<T, F>, Stop<X>>,
);

impl<T, F, L, X> CallEnd<T, F, L, X> {
    /// It has left this behind, and given this to the body; or the saga ends here.
    pub(crate) fn new(left: L, returned: Result<Result<T, F>, Stop<X>>) -> Self {
        Self {
            is_called: !matches!(returned, Err(Stop::Suspended(_))),
            left,
            kept: None,
            settled: Vec::new(),
            failed_at: None,
            returned,
        }
    }

    /// What it leaves behind, and the output, if it is a step that is done; then the rest of it.
    pub(super) fn take_over(self, keep: impl FnOnce(L, Option<&T>)) -> Returning<T, F, X> {
        if self.is_called {
            let output = match &self.returned {
                Ok(Ok(output)) => Some(output),
                _ => self.kept.as_ref(),
            };
            keep(self.left, output);
        }
        (self.settled, self.failed_at, self.returned)
    }

    /// Whether the engine lets go of the saga.
    pub(super) fn is_suspended(&self) -> bool {
        matches!(self.returned, Err(Stop::Suspended(_)))
    }
}

impl<T, F, L, X> fmt::Debug for CallEnd<T, F, L, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallEnd")
            .field("failed_at", &self.failed_at)
            .finish_non_exhaustive()
    }
}
