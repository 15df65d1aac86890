//! The first attempt of a step, made in the body itself where the engine need not see it: a step that succeeds at once
//! costs little more than the call of its function.

use std::any::Any;
use std::fmt;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{self, Poll};

use pin_project_lite::pin_project;

use crate::attempts::{AttemptResult, ErrorRecord};
use crate::language::Part;
use crate::language::order::Site;
use crate::panic::message;
use crate::run::callable::{Callable, Returned};
use crate::run::hand_over::{Pursuit, pursue};
use crate::run::slots::{Keeps, Number};
use crate::run::{Engine, Run};

/// How the first attempt of a call has ended, in the body.
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
                message: message(&*panic),
            }),
            Self::Not => None,
        }
    }
}

/// The call at the site with this number of `run` begins. Whether the body makes its first attempt.
#[cfg_attr(not(debug_assertions), inline(always))]
pub fn begin<'run, N, C, H, E>(
    run: &Run<'_, 'run, E>,
    _: N,
    _: Site<C::Part>,
    (call, errors): (C, H),
) -> (C, bool, H)
where
    N: Number,
    C: Callable<'run, E>,
    E: Engine,
{
    run.now.store(N::NUMBER, Ordering::Relaxed);
    let tries = C::IS_STEP && run.trusted && const { C::Part::PART.timeout.is_none() };
    (call, tries, errors)
}

/// The first attempt of a call.
#[cfg_attr(not(debug_assertions), inline(always))]
pub fn first<'a, 'lane, 'run, C, E>(
    run: &'a Run<'lane, 'run, E>,
    call: &C,
) -> impl Future<Output = Tried<C::Output, C::Error>> + Send + use<'a, 'lane, 'run, C, E>
where
    C: Callable<'run, E>,
    E: Engine,
{
    Trying {
        attempt: call.attempt(run),
    }
}

/// What the body gets, if the first attempt is `Done`; otherwise the call is pursued.
#[cfg_attr(not(debug_assertions), inline(always))]
pub fn settle<'a, 'run, N, C, K, H, E>(
    tried: Tried<C::Output, C::Error>,
    run: &'a Run<'_, 'run, E>,
    number: N,
    call: C,
    errors: H,
    slot: &'a mut K,
) -> ControlFlow<Returned<'run, C, E>, Pursuit<'a, C::Output, C::Error>>
where
    N: Number + 'a,
    C: Callable<'run, E> + 'a,
    K: Keeps<C::KeptCall>,
    H: Refusals<C::Error>,
    E: Engine,
{
    match tried {
        Tried::Done(output) => {
            slot.keep(&run.called, N::NUMBER, Some(call.done(&output)));
            ControlFlow::Break(Ok(output))
        }
        tried => ControlFlow::Continue(pursue(run, number, call, tried, errors, slot)),
    }
}

/// What happens with the refusal of a call.
pub trait Refusals<F>: Copy + Send {
    /// Whether it ends the saga.
    const END: bool;

    /// How it is written down.
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
        // Where nothing is inlined, it is compiled once for all steps with such a result.
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
