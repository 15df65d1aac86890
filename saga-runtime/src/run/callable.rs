//! Calls: the trait that the body's calls implement, and the end of a call.

use std::borrow::Cow;
use std::fmt;

use crate::attempts::{AttemptResult, BoxFuture};
use crate::error::{Cause, Compensation};
use crate::language::{Callee, ErrorRecord};
use crate::panic::caught;
use crate::place::{Calls, Place};
use crate::run::first_attempt::FirstAttempt;
use crate::run::unwind::{KeptCall, Unwind};
use crate::run::{Engine, Stop};

/// A call in the body of a saga on the engine `E`: of a step, of another saga, or of a wait.
pub trait Callable<'run, E: Engine>: Sized + Send {
    /// The called step, saga or wait.
    type Callee: Callee;

    /// Its output.
    type Output: Send;

    /// Its error.
    type Error: Send;

    /// The value that its end leaves behind.
    type Left: Send;

    /// The value that the run stores for compensation.
    type KeptCall: KeptCall + Unwind<E>;

    /// The maker of its first attempt: `InBody` for a step, `OnEngine` for everything else.
    type FirstAttempt: FirstAttempt<'run, Self, E>;

    /// True for a saga, whose calls are in a frame of their own.
    const IS_SAGA: bool;

    /// The value stored for compensation, made of what the end leaves behind and of the output, if the call is done. It takes
    /// `left` after the user's code, which copies the output and may panic.
    fn kept(
        left: &mut Option<Self::Left>,
        output: Option<DoneOutput<'_, Self::Output>>,
    ) -> Option<Self::KeptCall>;

    /// The text of an error.
    fn text(error: &Self::Error) -> String;

    /// Hands the call to the engine until its outcome is settled. The engine goes on after the `first` attempt, if the body
    /// has made one, and takes it. `errors` says how a refusal is recorded.
    fn pursue<'a>(
        self,
        engine: &'run E,
        calls: &'a dyn Calls,
        first: &mut FirstTried<'run, Self, E>,
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
        Self: 'p,
        'run: 'p;

    /// The part of [`Callable::Left`] that is known before the call has ended.
    fn left_if_done(&self) -> Self::Left;

    /// Returns true if this refusal of the first attempt settles the call.
    fn is_settled_by(error: &Self::Error) -> bool;

    /// Returns true if a journal could record this output.
    fn is_recordable(output: &Self::Output) -> bool;
}

/// The output of a call that is done.
#[derive(Debug, Clone, Copy)]
pub enum DoneOutput<'a, T> {
    /// The body gets it: the compensation needs a copy.
    Shared(&'a T),
    /// The body does not get it.
    Whole(T),
}

/// The end of the call `C` on the engine `E`.
pub type EndOf<'run, C, E> = CallEnd<
    <C as Callable<'run, E>>::Output,
    <C as Callable<'run, E>>::Error,
    <C as Callable<'run, E>>::Left,
    <E as Engine>::Suspension,
>;

/// The end of the first attempt of a call, if the body has made one.
pub type FirstTried<'run, C, E> =
    Option<AttemptResult<<C as Callable<'run, E>>::Output, <C as Callable<'run, E>>::Error>>;

/// The value for the body from a call.
pub type Returned<'run, C, E> =
    Result<<C as Callable<'run, E>>::Output, <C as Callable<'run, E>>::Error>;

/// The end of a call.
pub struct CallEnd<T, F, L, X> {
    /// True if it counts as called. A suspended call does not.
    pub(super) is_called: bool,
    /// The value that it leaves behind.
    pub(super) left: L,
    /// The output of a step that is done although the body does not get it.
    pub(super) kept: Option<T>,
    /// The steps in it that were settled or compensated already.
    pub(super) settled: Vec<Compensation>,
    /// The step at which it failed, if it is a saga.
    pub(super) failed_at: Option<Cow<'static, str>>,
    /// The value for the body, or the reason why the saga stops first.
    pub(super) returned: Result<Result<T, F>, Stop<X>>,
}

/// The settled steps, the step of a called saga at which it failed, and the value for the body.
pub(super) type Returning<T, F, X> = (
    Vec<Compensation>,
    Option<Cow<'static, str>>,
    Result<Result<T, F>, Stop<X>>,
);

impl<T, F, L, X> CallEnd<T, F, L, X> {
    /// An end that leaves `left` behind, and gives the body this value or stops the saga.
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

    /// Keeps what it leaves behind, with the output, if it is a step that is done; then gives the rest of it. If the output
    /// can't be copied, the body does not get it: the saga ends here, and the output itself is kept.
    pub(super) fn take_over(
        self,
        mut keep: impl FnMut(&mut Option<L>, Option<DoneOutput<'_, T>>),
    ) -> Returning<T, F, X> {
        if !self.is_called {
            return (self.settled, self.failed_at, self.returned);
        }
        let mut left = Some(self.left);
        let returned = match self.returned {
            Ok(Ok(output)) => {
                let kept = caught(|| keep(&mut left, Some(DoneOutput::Shared(&output))));
                match kept {
                    Ok(()) => Ok(Ok(output)),
                    Err(message) => {
                        keep(&mut left, Some(DoneOutput::Whole(output)));
                        Err(Stop::Cause(Cause::Panicked { message }))
                    }
                }
            }
            returned => {
                keep(&mut left, self.kept.map(DoneOutput::Whole));
                returned
            }
        };
        (self.settled, self.failed_at, returned)
    }

    /// Returns true if the engine suspends the saga.
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
