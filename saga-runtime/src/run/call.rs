//! The calls in the body of a saga. The body makes the first attempt of a step itself, if the engine allows it; the
//! engine does the rest.

use std::fmt;
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use crate::language::ErrorRecord;
use crate::language::order::Site;
use crate::run::callable::{Callable, DoneOutput, Returned};
use crate::run::first_attempt::{End, FirstAttempt, Refusals, Tried, Trying};
use crate::run::hand_over::{HandedOver, pursue};
use crate::run::slots::{Keeps, Number};
use crate::run::{Engine, Run};

/// A call at the site `N` that has begun, and the fate of its refusal.
pub struct Begun<N, C, H> {
    call: C,
    errors: H,
    number: PhantomData<fn() -> N>,
}

impl<N: Number, C, H> fmt::Debug for Begun<N, C, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Begun")
            .field("site", &N::NUMBER)
            .finish_non_exhaustive()
    }
}

impl<'lane, 'run, E: Engine> Run<'lane, 'run, E> {
    /// Begins the call at this site. A refusal ends the saga. The flag is true if the body makes the first attempt.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn begin<N: Number, C: Callable<'run, E>>(
        &self,
        _: N,
        _: Site<C::Callee>,
        call: C,
    ) -> (Begun<N, C, End>, bool) {
        self.begun(call, End)
    }

    /// Begins the call at this site. The body handles a refusal, which is recorded in the way that stands beside the call.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn begin_handled<N: Number, C: Callable<'run, E>>(
        &self,
        _: N,
        _: Site<C::Callee>,
        (call, errors): (C, ErrorRecord<C::Error>),
    ) -> (Begun<N, C, ErrorRecord<C::Error>>, bool) {
        self.begun(call, errors)
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn begun<N: Number, C: Callable<'run, E>, H>(
        &self,
        call: C,
        errors: H,
    ) -> (Begun<N, C, H>, bool) {
        self.now.store(N::NUMBER, Ordering::Relaxed);
        let begun = Begun {
            call,
            errors,
            number: PhantomData,
        };
        (begun, self.trusted && C::FirstAttempt::IN_BODY)
    }

    /// Makes the first attempt of a call.
    // A panic before there is a future, in the `Clone` of an input, is one of the body: the step is not requested yet.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn first<'a, N, C: Callable<'run, E> + 'a, H>(
        &'a self,
        begun: &Begun<N, C, H>,
    ) -> impl Future<Output = Tried<C::Output, C::Error>> + Send + use<'a, 'lane, 'run, N, C, H, E>
    {
        Trying::new(C::FirstAttempt::make(&begun.call, self))
    }

    /// The value for the body if the first attempt is `Done`; otherwise the call goes on in the engine.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn settle<'a, N, C, H, K>(
        &'a self,
        tried: Tried<C::Output, C::Error>,
        Begun { call, errors, .. }: Begun<N, C, H>,
        slot: &'a mut K,
    ) -> ControlFlow<Returned<'run, C, E>, HandedOver<'a, C::Output, C::Error>>
    where
        N: Number + 'a,
        C: Callable<'run, E> + 'a,
        H: Refusals<C::Error>,
        K: Keeps<C::KeptCall>,
    {
        match tried {
            // Debug builds check what a journal would refuse: then the engine ends the call.
            Tried::Done(output)
                if !cfg!(debug_assertions) || C::FirstAttempt::is_recordable(&output) =>
            {
                ControlFlow::Break(Ok(keep::<N, C, K, E>(self, &call, output, slot)))
            }
            tried => {
                ControlFlow::Continue(pursue::<N, C, K, H, E>(self, call, tried, errors, slot))
            }
        }
    }
}

/// Stores what the call of a step leaves behind that is done at once. The body gets the output.
#[cfg_attr(not(debug_assertions), inline(always))]
fn keep<'run, N, C, K, E>(
    run: &Run<'_, 'run, E>,
    call: &C,
    output: C::Output,
    slot: &mut K,
) -> C::Output
where
    N: Number,
    C: Callable<'run, E>,
    K: Keeps<C::KeptCall>,
    E: Engine,
{
    let mut done = Rescue::<N, C, K, E> {
        run,
        left: C::FirstAttempt::left_if_done(call),
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
        Some(output) => output,
        None => unreachable!("only a panic takes it"),
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
            self.run.fail_here(N::NUMBER);
        }
    }
}
