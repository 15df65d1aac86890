//! The way of a call from the body to the engine, if the body's first attempt has not settled it.

use std::fmt;
use std::future::pending;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{self, Poll};

use crate::attempts::{AttemptResult, BoxFuture};
use crate::language::ErrorRecord;
use crate::run::call_log::CallLog;
use crate::run::callable::{CallEnd, Callable, DoneOutput, EndOf, FirstTried};
use crate::run::first_attempt::{FirstAttempt, Refusals, Tried};
use crate::run::slots::{Keeps, Number};
use crate::run::{Engine, Run};

/// Hands the call at this site of `run` to the engine until its outcome is settled, unless the attempt that the body
/// has `tried` has settled it.
#[cold]
#[inline(never)]
pub(super) fn pursue<'a, 'run, N, C, K, H, E>(
    run: &'a Run<'_, 'run, E>,
    call: C,
    tried: Tried<C::Output, C::Error>,
    errors: H,
    slot: &'a mut K,
) -> HandedOver<'a, C::Output, C::Error>
where
    N: Number + 'a,
    C: Callable<'run, E> + 'a,
    K: Keeps<C::KeptCall>,
    H: Refusals<C::Error>,
    E: Engine,
{
    let refusal = (
        H::END,
        C::FirstAttempt::is_settled_by as fn(&C::Error) -> bool,
    );
    let mut first = tried.attempted();
    let errors = errors.errors();
    if let Some(settled) = run.settled(N::NUMBER, refusal, errors, &mut first) {
        slot.keep(&run.called, N::NUMBER, None);
        return settled;
    }
    let caller = Caller::<N, C, K> {
        number: PhantomData,
        call: Some(call),
        slot,
    };
    run.pursued(N::NUMBER, H::END, Box::new(caller), first, errors)
}

/// The future of a call's end.
type Ending<'a, T, F, L, E> = BoxFuture<'a, CallEnd<T, F, L, <E as Engine>::Suspension>>;

/// A call of the body, erased to the types of its values.
trait ErasedCaller<'a, 'run, T, F, L, E: Engine>: Send {
    /// See [`Callable::pursue`].
    fn pursue(
        &mut self,
        run: &'a Run<'_, 'run, E>,
        first: &mut Option<AttemptResult<T, F>>,
        errors: ErrorRecord<F>,
    ) -> Option<Ending<'a, T, F, L, E>>;

    /// Stores the value that it has left behind.
    fn keep(&mut self, called: &CallLog, left: &mut Option<L>, output: Option<DoneOutput<'_, T>>);
}

/// A call in a body, and the slot for the value that it leaves behind.
struct Caller<'a, N, C, K> {
    number: PhantomData<fn() -> N>,
    /// `None` once it is begun.
    call: Option<C>,
    slot: &'a mut K,
}

impl<'a, 'run, N, C, K, E> ErasedCaller<'a, 'run, C::Output, C::Error, C::Left, E>
    for Caller<'a, N, C, K>
where
    N: Number,
    C: Callable<'run, E> + 'a,
    K: Keeps<C::KeptCall>,
    E: Engine,
{
    fn pursue(
        &mut self,
        run: &'a Run<'_, 'run, E>,
        first: &mut FirstTried<'run, C, E>,
        errors: ErrorRecord<C::Error>,
    ) -> Option<BoxFuture<'a, EndOf<'run, C, E>>> {
        let call = self.call.take()?;
        Some(call.pursue(run.engine, run, first, errors))
    }

    fn keep(
        &mut self,
        called: &CallLog,
        left: &mut Option<C::Left>,
        output: Option<DoneOutput<'_, C::Output>>,
    ) {
        self.slot.keep(called, N::NUMBER, C::kept(left, output));
    }
}

/// Compiled once for all steps with such results.
impl<'run, E: Engine> Run<'_, 'run, E> {
    /// Takes the `first` attempt if it is a refusal that settles the call. If the refusal `ends` the saga, the saga has
    /// failed here.
    fn settled<'a, T, F>(
        &self,
        number: usize,
        (ends, is_settled_by): (bool, fn(&F) -> bool),
        errors: ErrorRecord<F>,
        first: &mut Option<AttemptResult<T, F>>,
    ) -> Option<HandedOver<'a, T, F>> {
        match first.take() {
            // Debug builds check what a journal would refuse: then the engine ends the call.
            Some(AttemptResult::Refused(error))
                if is_settled_by(&error)
                    && (!cfg!(debug_assertions) || errors.is_recordable(&error)) =>
            {
                if ends {
                    self.fail_here(number);
                }
                Some(HandedOver::Settled(Some(Err(error))))
            }
            not_settled => {
                *first = not_settled;
                None
            }
        }
    }

    fn pursued<'a, T, F, L>(
        &'a self,
        number: usize,
        ends: bool,
        mut caller: Box<dyn ErasedCaller<'a, 'run, T, F, L, E> + 'a>,
        mut first: Option<AttemptResult<T, F>>,
        errors: ErrorRecord<F>,
    ) -> HandedOver<'a, T, F>
    where
        T: Send + 'a,
        F: Send + 'a,
        L: Send + 'a,
    {
        HandedOver::Pursued(Box::pin(async move {
            let Some(pursued) = caller.pursue(self, &mut first, errors) else {
                return pending().await;
            };
            let end = pursued.await;
            let returned = end.take_over(|left, output| caller.keep(&self.called, left, output));
            match self.hand_back(number, returned, ends) {
                Some(returned) => returned,
                // The saga ends here: the run does not poll the body again.
                None => pending().await,
            }
        }))
    }
}

/// A call in the body that the first attempt has settled, or that the engine pursues.
pub enum HandedOver<'a, T, F> {
    /// Its first attempt has settled it.
    Settled(Option<Result<T, F>>),
    /// The engine pursues it.
    Pursued(BoxFuture<'a, Result<T, F>>),
}

impl<T, F> fmt::Debug for HandedOver<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Settled(_) => "Settled",
            Self::Pursued(_) => "Pursued",
        })
    }
}

/// The value is never borrowed from the future.
impl<T, F> Unpin for HandedOver<'_, T, F> {}

impl<T, F> Future for HandedOver<'_, T, F> {
    type Output = Result<T, F>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Settled(returned) => returned.take().map_or(Poll::Pending, Poll::Ready),
            Self::Pursued(pursued) => pursued.as_mut().poll(cx),
        }
    }
}
