//! The first attempt of a step, made in the body itself if the engine allows it. A step that succeeds at once then
//! costs little more than the call of its function.

use std::any::Any;
use std::fmt;
use std::future::ready;
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{self, Poll};

use pin_project_lite::pin_project;

use crate::attempts::AttemptResult;
use crate::language::order::Site;
use crate::language::{Callee, ErrorRecord};
use crate::panic::message;
use crate::place::Place;
use crate::run::callable::{Callable, DoneOutput, Returned, Tryable};
use crate::run::hand_over::{HandedOver, pursue};
use crate::run::slots::{Keeps, Number};
use crate::run::{Engine, Run};

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
    ) -> impl Future<Output = Tried<C::Output, C::Error>> + Send + use<'p, 'run, Self, C, E>
    where
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
    ) -> impl Future<Output = Tried<C::Output, C::Error>> + Send + use<'p, 'run, C, E>
    where
        'run: 'p,
    {
        Trying {
            attempt: call.attempt(place),
        }
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
    ) -> impl Future<Output = Tried<C::Output, C::Error>> + Send + use<'p, 'run, C, E>
    where
        'run: 'p,
    {
        ready(Tried::Not)
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

/// Begins the call at this site of `run`. The flag in the result is true if the body makes the first attempt.
#[cfg_attr(not(debug_assertions), inline(always))]
pub fn begin<'run, N, C, H, E>(
    run: &Run<'_, 'run, E>,
    _: N,
    _: Site<C::Callee>,
    (call, errors): (C, H),
) -> (C, bool, H)
where
    N: Number,
    C: Callable<'run, E>,
    E: Engine,
{
    run.now.store(N::NUMBER, Ordering::Relaxed);
    let tries = run.trusted && C::FirstAttempt::IN_BODY;
    (call, tries, errors)
}

/// Makes the first attempt of a call.
// A panic before there is a future, in the `Clone` of an input, is one of the body: the step is not requested yet.
#[cfg_attr(not(debug_assertions), inline(always))]
pub fn first<'a, 'lane, 'run, C, E>(
    run: &'a Run<'lane, 'run, E>,
    call: &C,
) -> impl Future<Output = Tried<C::Output, C::Error>> + Send + use<'a, 'lane, 'run, C, E>
where
    C: Callable<'run, E>,
    E: Engine,
{
    C::FirstAttempt::make(call, run)
}

/// The value for the body if the first attempt is `Done`; otherwise the call goes on in the engine.
#[cfg_attr(not(debug_assertions), inline(always))]
pub fn settle<'a, 'run, N, C, K, H, E>(
    tried: Tried<C::Output, C::Error>,
    run: &'a Run<'_, 'run, E>,
    number: N,
    call: C,
    errors: H,
    slot: &'a mut K,
) -> ControlFlow<Returned<'run, C, E>, HandedOver<'a, C::Output, C::Error>>
where
    N: Number + 'a,
    C: Callable<'run, E> + 'a,
    K: Keeps<C::KeptCall>,
    H: Refusals<C::Error>,
    E: Engine,
{
    match tried {
        // Debug builds check what a journal would refuse: then the engine ends the call.
        Tried::Done(output)
            if !cfg!(debug_assertions) || C::FirstAttempt::is_recordable(&output) =>
        {
            let mut done = Rescue::<N, C, K, E> {
                run,
                left: C::FirstAttempt::left_if_done(&call),
                output: Some(output),
                slot,
                number: PhantomData,
            };
            let kept = match &done.output {
                Some(output) => C::kept(&mut done.left, Some(DoneOutput::Shared(output))),
                None => None,
            };
            done.slot.keep(&run.called, N::NUMBER, kept);
            match done.output.take() {
                Some(output) => ControlFlow::Break(Ok(output)),
                None => unreachable!("only a panic takes it"),
            }
        }
        tried => ControlFlow::Continue(pursue(run, number, call, tried, errors, slot)),
    }
}

/// An output that is copied for the compensation. If that panics, the output itself is kept, and the body fails here.
struct Rescue<'a, 'lane, 'run, N, C, K, E>
where
    N: Number,
    C: Callable<'run, E>,
    K: Keeps<C::KeptCall>,
    E: Engine,
{
    run: &'a Run<'lane, 'run, E>,
    left: Option<C::Left>,
    output: Option<C::Output>,
    slot: &'a mut K,
    number: PhantomData<fn() -> N>,
}

impl<'run, N, C, K, E> Drop for Rescue<'_, '_, 'run, N, C, K, E>
where
    N: Number,
    C: Callable<'run, E>,
    K: Keeps<C::KeptCall>,
    E: Engine,
{
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn drop(&mut self) {
        if let Some(output) = self.output.take() {
            let kept = C::kept(&mut self.left, Some(DoneOutput::Whole(output)));
            self.slot.keep(&self.run.called, N::NUMBER, kept);
            self.run.failed_at.store(N::NUMBER, Ordering::Relaxed);
        }
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
    /// The first attempt of a call, awaited.
    struct Trying<A> {
        #[pin]
        attempt: A,
    }
}

impl<A, T, F> Future for Trying<A>
where
    A: Future<Output = Result<T, F>>,
{
    type Output = Tried<T, F>;

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let attempt = self.project().attempt;
        // Without inlining, this is compiled once for all steps with such a result.
        #[cfg(debug_assertions)]
        let attempt: Pin<&mut (dyn Future<Output = _> + '_)> = attempt;
        poll(attempt, cx)
    }
}

#[cfg_attr(not(debug_assertions), inline(always))]
fn poll<A, T, F>(attempt: Pin<&mut A>, cx: &mut task::Context<'_>) -> Poll<Tried<T, F>>
where
    A: Future<Output = Result<T, F>> + ?Sized,
{
    match catch_unwind(AssertUnwindSafe(|| attempt.poll(cx))) {
        Ok(Poll::Ready(Ok(output))) => Poll::Ready(Tried::Done(output)),
        Ok(Poll::Ready(Err(error))) => Poll::Ready(Tried::Refused(error)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(panic) => Poll::Ready(Tried::Panicked(panic)),
    }
}
