//! The first attempt of a step, made in the body itself if the engine allows it. A step that succeeds at once then
//! costs little more than the call of its function.

use std::any::Any;
use std::fmt;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{self, Poll};

use pin_project_lite::pin_project;

use crate::attempts::AttemptResult;
use crate::language::{Callee, ErrorRecord};
use crate::panic::message;
use crate::place::Place;
use crate::run::Engine;
use crate::run::callable::{Callable, Tryable};

/// The end of the first attempt of a call in the body.
pub enum Tried<T, F> {
    /// It gave this output.
    Done(T),
    /// It gave this error.
    Refused(F),
    /// It panicked.
    Panicked(Box<dyn Any + Send>),
    /// The body makes none.
    Not,
}

impl<T, F> fmt::Debug for Tried<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done(_) => "Done",
            Self::Refused(_) => "Refused",
            Self::Panicked(_) => "Panicked",
            Self::Not => "Not",
        })
    }
}

impl<T, F> Tried<T, F> {
    /// The attempt, if one was made.
    pub(super) fn attempted(self) -> Option<AttemptResult<T, F>> {
        match self {
            Self::Done(output) => Some(AttemptResult::Done(output)),
            Self::Refused(error) => Some(AttemptResult::Refused(error)),
            Self::Panicked(panic) => Some(AttemptResult::Panicked {
                message: message(panic),
            }),
            Self::Not => None,
        }
    }
}

/// The maker of the first attempt of the calls `C`.
pub trait FirstAttempt<'run, C: Callable<'run, E>, E: Engine> {
    /// True if the body may make it, where the engine trusts the body with it.
    const IN_BODY: bool;

    /// Makes it.
    fn make<'p>(
        call: &C,
        place: &'p dyn Place,
    ) -> impl Future<Output = Result<C::Output, C::Error>> + Send + use<'p, 'run, Self, C, E>
    where
        C: 'p,
        'run: 'p;

    /// The part of [`Callable::Left`] that is known if the attempt succeeds.
    fn left_if_done(call: &C) -> Option<C::Left>;

    /// Returns true if this refusal of it settles the call.
    fn is_settled_by(error: &C::Error) -> bool;

    /// Returns true if a journal could record this output of it.
    fn is_recordable(output: &C::Output) -> bool;
}

/// The body makes it: the call is a step.
#[derive(Debug)]
pub struct InBody;

impl<'run, C: Tryable<'run, E>, E: Engine> FirstAttempt<'run, C, E> for InBody {
    const IN_BODY: bool = C::Callee::CALLEE.body_may_try();

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn make<'p>(
        call: &C,
        place: &'p dyn Place,
    ) -> impl Future<Output = Result<C::Output, C::Error>> + Send + use<'p, 'run, C, E>
    where
        C: 'p,
        'run: 'p,
    {
        call.attempt(place)
    }

    #[inline]
    fn left_if_done(call: &C) -> Option<C::Left> {
        Some(call.left_if_done())
    }

    #[inline]
    fn is_settled_by(error: &C::Error) -> bool {
        C::is_settled_by(error)
    }

    fn is_recordable(output: &C::Output) -> bool {
        C::is_recordable(output)
    }
}

/// The body makes none: the engine handles the whole call, which is a saga or a wait.
#[derive(Debug)]
pub struct OnEngine;

impl<'run, C: Callable<'run, E>, E: Engine> FirstAttempt<'run, C, E> for OnEngine {
    const IN_BODY: bool = false;

    fn make<'p>(
        _: &C,
        _: &'p dyn Place,
    ) -> impl Future<Output = Result<C::Output, C::Error>> + Send + use<'p, 'run, C, E>
    where
        C: 'p,
        'run: 'p,
    {
        pending()
    }

    fn left_if_done(_: &C) -> Option<C::Left> {
        None
    }

    fn is_settled_by(_: &C::Error) -> bool {
        false
    }

    fn is_recordable(_: &C::Output) -> bool {
        true
    }
}

/// The fate of a refusal of a call.
pub trait Refusals<F>: Copy + Send {
    /// True if it ends the saga.
    const END: bool;

    /// The way in which it is recorded.
    fn errors(self) -> ErrorRecord<F>;
}

/// It ends the saga.
#[derive(Debug, Clone, Copy)]
pub struct End;

impl<F> Refusals<F> for End {
    const END: bool = true;

    fn errors(self) -> ErrorRecord<F> {
        ErrorRecord::Text
    }
}

/// The body handles it.
impl<F> Refusals<F> for ErrorRecord<F> {
    const END: bool = false;

    fn errors(self) -> Self {
        self
    }
}

pin_project! {
    /// The first attempt of a call, awaited, if the body makes it.
    pub(super) struct Trying<A> {
        #[pin]
        attempt: Option<A>,
    }
}

impl<A> Trying<A> {
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn new(attempt: Option<A>) -> Self {
        Self { attempt }
    }
}

impl<A, T, F> Future for Trying<A>
where
    A: Future<Output = Result<T, F>>,
{
    type Output = Tried<T, F>;

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let Some(attempt) = self.project().attempt.as_pin_mut() else {
            return Poll::Ready(Tried::Not);
        };
        match catch_unwind(AssertUnwindSafe(|| attempt.poll(cx))) {
            Ok(Poll::Ready(Ok(output))) => Poll::Ready(Tried::Done(output)),
            Ok(Poll::Ready(Err(error))) => Poll::Ready(Tried::Refused(error)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) => Poll::Ready(Tried::Panicked(panic)),
        }
    }
}
