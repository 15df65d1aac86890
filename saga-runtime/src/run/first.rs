//! The first attempt of a step, made in the body itself where the engine need not see it: a step that succeeds at once
//! costs little more than the call of its function.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{self, Poll, ready};

use pin_project_lite::pin_project;

use super::Run;
use super::call::{CallEnd, Callable, EndOf, First, Returned};
use super::slot::{Keeps, Number};
use crate::attempt::{Attempted, poll_caught};
use crate::engine::{Engine, ErrorRecord};
use crate::part::Part;
use crate::pursuit::BoxFuture;

pin_project! {
    /// The call of a step in the body of a saga, awaited.
    struct Awaited<'a, 'lane, 'run, N, C, K, F, H, E>
    where
        E: Engine,
        C: Callable<'run, E>,
    {
        run: &'a Run<'lane, 'run, E>,
        number: N,
        call: C,
        slot: &'a mut K,
        errors: H,
        #[pin]
        stage: Stage<F, BoxFuture<'a, EndOf<'run, C, E>>>,
    }
}

pin_project! {
    /// How far a call is.
    #[project = StageProjection]
    enum Stage<F, P> {
        First { #[pin] attempt: F },
        Pursued { pursuit: Option<P> },
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

/// The call at the site `number` of `run`, awaited.
#[cfg_attr(not(debug_assertions), inline(always))]
pub(super) fn awaited<'a, 'lane, 'run, N, C, K, H, E>(
    run: &'a Run<'lane, 'run, E>,
    number: N,
    call: C,
    errors: H,
    slot: &'a mut K,
) -> impl Future<Output = Returned<'run, C, E>> + Send + use<'a, 'lane, 'run, N, C, K, H, E>
where
    N: Number,
    C: Callable<'run, E> + 'a,
    K: Keeps<C::Entry>,
    H: Refusals<C::Error>,
    E: Engine,
{
    let stage = if C::IS_STEP && run.trusted && const { C::Part::PART.timeout.is_none() } {
        run.now.store(N::NUMBER, Ordering::Relaxed);
        let attempt = call.attempt(run);
        Stage::First { attempt }
    } else {
        Stage::Pursued { pursuit: None }
    };
    Awaited {
        run,
        number,
        call,
        slot,
        errors,
        stage,
    }
}

impl<'a, 'run, N, C, K, F, H, E> Future for Awaited<'a, '_, 'run, N, C, K, F, H, E>
where
    N: Number,
    C: Callable<'run, E> + 'a,
    K: Keeps<C::Entry>,
    F: Future<Output = Returned<'run, C, E>>,
    H: Refusals<C::Error>,
    E: Engine,
{
    type Output = Returned<'run, C, E>;

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = self.as_mut().project();
        let StageProjection::First { attempt } = this.stage.project() else {
            return self.pursue(None, cx);
        };
        // Where nothing is inlined, it is compiled once for all steps with such a result.
        #[cfg(debug_assertions)]
        let attempt: Pin<&mut (dyn Future<Output = _> + '_)> = attempt;
        match ready!(poll_caught(attempt, cx)) {
            Attempted::Done(output) => {
                let entry = this.call.done(&output);
                this.slot.keep(&this.run.called, N::NUMBER, Some(entry));
                Poll::Ready(Ok(output))
            }
            ended => self.pursue(Some(ended), cx),
        }
    }
}

impl<'a, 'run, N, C, K, F, H, E> Awaited<'a, '_, 'run, N, C, K, F, H, E>
where
    N: Number,
    C: Callable<'run, E> + 'a,
    K: Keeps<C::Entry>,
    H: Refusals<C::Error>,
    E: Engine,
{
    /// Lets the engine pursue the call until its outcome is settled, unless this `first` attempt has settled it.
    #[cold]
    #[inline(never)]
    fn pursue(
        self: Pin<&mut Self>,
        first: First<'run, C, E>,
        cx: &mut task::Context<'_>,
    ) -> Poll<Returned<'run, C, E>> {
        let mut this = self.project();
        if let StageProjection::First { .. } = this.stage.as_mut().project() {
            this.stage.set(Stage::Pursued { pursuit: None });
        }
        let StageProjection::Pursued { pursuit } = this.stage.project() else {
            return Poll::Pending;
        };
        let mut site = Caller::<N, C, K, H, E> {
            run: *this.run,
            number: PhantomData,
            call: this.call,
            slot: &mut **this.slot,
            errors: *this.errors,
        };
        pursue(*this.run, &mut site, pursuit, first, cx)
    }
}

/// Where a call is made that is pursued.
struct Caller<'s, 'a, 'lane, 'run, N, C, K, H, E: Engine> {
    run: &'a Run<'lane, 'run, E>,
    number: PhantomData<fn() -> N>,
    call: &'s mut C,
    slot: &'s mut K,
    errors: H,
}

/// A [`Caller`], by the types of what its call gives.
trait Pursuing<'a, T, F, L, X> {
    fn number(&self) -> usize;

    /// Whether a refusal ends the saga.
    fn ends(&self) -> bool;

    fn is_settled_by(&self, error: &F) -> bool;

    fn begin(&mut self, first: Option<Attempted<T, F>>) -> BoxFuture<'a, CallEnd<T, F, L, X>>;

    /// Keeps what the call has left behind, if it has.
    fn keep(&mut self, left: Option<L>, output: Option<&T>);
}

impl<'a, 'run, N, C, K, H, E> Pursuing<'a, C::Output, C::Error, C::Left, E::Suspension>
    for Caller<'_, 'a, '_, 'run, N, C, K, H, E>
where
    N: Number,
    C: Callable<'run, E> + 'a,
    K: Keeps<C::Entry>,
    H: Refusals<C::Error>,
    E: Engine,
{
    fn number(&self) -> usize {
        N::NUMBER
    }

    fn ends(&self) -> bool {
        H::END
    }

    fn is_settled_by(&self, error: &C::Error) -> bool {
        C::is_settled_by(error)
    }

    fn begin(&mut self, first: First<'run, C, E>) -> BoxFuture<'a, EndOf<'run, C, E>> {
        let errors = self.errors.errors();
        self.call.pursue(self.run.engine, self.run, first, errors)
    }

    fn keep(&mut self, left: Option<C::Left>, output: Option<&C::Output>) {
        let entry = match left {
            Some(left) => C::entry(left, output),
            None => None,
        };
        self.slot.keep(&self.run.called, N::NUMBER, entry);
    }
}

/// How a call ends on the engine `E`.
type EndWith<T, F, L, E> = CallEnd<T, F, L, <E as Engine>::Suspension>;

/// See [`Awaited::pursue`]: this is compiled once for all steps with such results.
fn pursue<'a, E: Engine, T, F, L>(
    run: &Run<'_, '_, E>,
    site: &mut dyn Pursuing<'a, T, F, L, E::Suspension>,
    pursuit: &mut Option<BoxFuture<'a, EndWith<T, F, L, E>>>,
    first: Option<Attempted<T, F>>,
    cx: &mut task::Context<'_>,
) -> Poll<Result<T, F>> {
    let first = match first {
        Some(Attempted::Refused(error)) if site.is_settled_by(&error) => {
            site.keep(None, None);
            if site.ends() {
                run.failed_at.store(site.number(), Ordering::Relaxed);
            }
            return Poll::Ready(Err(error));
        }
        first => first,
    };
    let begun = pursuit.get_or_insert_with(|| site.begin(first));
    let end = ready!(begun.as_mut().poll(cx));
    if end.is_called {
        let output = end.returned.as_ref().ok().and_then(|it| it.as_ref().ok());
        site.keep(Some(end.left), output);
    }
    let returned = (end.settled, end.failed_at, end.returned);
    match run.goes_on(site.number(), returned, site.ends()) {
        Some(returned) => Poll::Ready(returned),
        // The saga ends here: its body is not polled again.
        None => Poll::Pending,
    }
}
