//! Calls: what the body of a saga hands to the run, and how it ended.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::future::ready;

use crate::attempts::{
    Action, AttemptResult, BoxFuture, Compensate, ErrorRecord, PendingStep, Rules, Settlement,
    StepEnd, StepRequest, Verdict,
};
use crate::error::{Cause, Compensation};
use crate::language::{KindOf, Part, Payload, Step};
use crate::meta::{Kind, StepMeta};
use crate::place::{Calls, Context, Place, path};
use crate::run::unwind::{KeptCall, Left, Unwind};
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

    /// Whether it is a step, which has attempts.
    const IS_STEP: bool;

    /// Whether it is a saga, whose calls are in a lane of their own.
    const IS_SAGA: bool;

    /// Begins the first attempt.
    fn attempt<'p>(
        &self,
        place: &'p dyn Place,
    ) -> impl Future<Output = Result<Self::Output, Self::Error>> + Send + use<'p, 'run, Self, E>
    where
        'run: 'p;

    /// What is kept of a first attempt that has succeeded.
    fn done(&self, output: &Self::Output) -> Self::KeptCall;

    /// What it leaves behind if its first attempt succeeds.
    fn left(&self) -> Self::Left;

    /// What is kept of what it has left behind, beside the output that the body gets.
    fn entry(left: Self::Left, output: Option<&Self::Output>) -> Option<Self::KeptCall>;

    /// Whether the refusal of a first attempt settles it.
    fn is_settled_by(error: &Self::Error) -> bool;

    /// Pursues it until its outcome is settled, after the `first` attempt, which it takes, if that was made. If the body
    /// handles its refusal, `errors` says how that is written down.
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
    pub(crate) fn of(left: L, returned: Result<Result<T, F>, Stop<X>>) -> Self {
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

/// A step that was done: what its compensation needs.
pub struct Called<'run, S: Step> {
    services: &'run S::Services,
    kept: <S::Kind as KindOf>::Kept<S::Output>,
}

impl<'run, S: Step> Called<'run, S> {
    #[inline]
    fn new(services: &'run S::Services, output: &S::Output) -> Self {
        Self {
            services,
            kept: <S::Kind as KindOf>::keep(output),
        }
    }
}

impl<S: Step> fmt::Debug for Called<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Called")
            .field("step", &S::META.name)
            .finish_non_exhaustive()
    }
}

impl<S: Step> KeptCall for Called<'_, S> {
    const PART: StepMeta = S::META;

    #[inline]
    fn undo<'a>(
        &'a self,
        place: &'a dyn Place,
    ) -> Option<impl Future<Output = Result<(), String>> + Send> {
        let output = <S::Kind as KindOf>::kept::<S::Output>(&self.kept)?;
        Some(S::compensate(Context::at(self.services, place), output))
    }
}

impl<S: Step, E: Engine> Unwind<E> for Called<'_, S> {
    #[inline]
    fn left(&self) -> Left<'_, E> {
        match const { S::META.kind } {
            Kind::Compensatable => Left::Step(self),
            Kind::NothingToUndo => Left::Nothing,
            Kind::Pivot | Kind::Retriable => Left::Closed,
        }
    }
}

impl<S: Step> Compensate for Called<'_, S> {
    fn compensate<'a>(&'a self, place: &'a dyn Place) -> BoxFuture<'a, Result<(), String>> {
        match self.undo(place) {
            Some(undo) => Box::pin(undo),
            None => nothing(),
        }
    }
}

/// A step that is called: its services and its inputs.
pub struct PendingCall<'run, 'args, S: Step> {
    services: &'run S::Services,
    args: S::Args<'args>,
}

impl<'run, 'args, S: Step> PendingCall<'run, 'args, S> {
    #[inline]
    pub(crate) fn new(services: &'run S::Services, args: S::Args<'args>) -> Self {
        Self { services, args }
    }
}

impl<S: Step> fmt::Debug for PendingCall<'_, '_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calling")
            .field("step", &S::META.name)
            .finish_non_exhaustive()
    }
}

impl<S: Step> Action<S::Output, S::Error> for PendingCall<'_, '_, S> {
    fn run<'b>(&'b mut self, place: &'b dyn Place) -> BoxFuture<'b, Result<S::Output, S::Error>> {
        Box::pin(S::run(Context::at(self.services, place), self.args.clone()))
    }

    fn resolve<'b>(&'b mut self, place: &'b dyn Place) -> BoxFuture<'b, Result<(), String>> {
        if const { S::META.resolver.is_none() } {
            return nothing();
        }
        Box::pin(S::resolve(
            Context::at(self.services, place),
            self.args.clone(),
        ))
    }
}

/// There is nothing to undo.
fn nothing() -> BoxFuture<'static, Result<(), String>> {
    Box::pin(ready(Ok(())))
}

impl<'run, 'args, S: Step, E: Engine> Callable<'run, E> for PendingCall<'run, 'args, S> {
    type Part = S;
    type Output = S::Output;
    type Error = S::Error;
    type Left = &'run S::Services;
    type KeptCall = Called<'run, S>;

    const IS_STEP: bool = true;
    const IS_SAGA: bool = false;

    #[inline]
    fn attempt<'p>(
        &self,
        place: &'p dyn Place,
    ) -> impl Future<Output = Result<S::Output, S::Error>> + Send + use<'p, 'run, 'args, S, E>
    where
        'run: 'p,
    {
        S::run(Context::at(self.services, place), self.args.clone())
    }

    #[inline]
    fn done(&self, output: &S::Output) -> Called<'run, S> {
        Called::new(self.services, output)
    }

    #[inline]
    fn is_settled_by(error: &S::Error) -> bool {
        let answer = Verdict::of_error(error, S::is_transient, S::is_in_doubt);
        answer.is_definite(&const { S::META })
    }

    fn left(&self) -> Self::Left {
        self.services
    }

    fn entry(services: &'run S::Services, output: Option<&S::Output>) -> Option<Called<'run, S>> {
        Some(Called::new(services, output?))
    }

    #[cold]
    fn pursue<'a>(
        self,
        engine: &'run E,
        calls: &'a dyn Calls,
        first: &mut First<'run, Self, E>,
        errors: ErrorRecord<S::Error>,
    ) -> BoxFuture<'a, EndOf<'run, Self, E>>
    where
        Self: 'a,
        'run: 'a,
    {
        let rules = &const { Rules::of::<S>() };
        begin(
            engine,
            calls,
            self.services,
            Box::new(self),
            rules,
            errors,
            first,
        )
    }
}

/// Begins to pursue a step. Only what is above this is compiled for each step.
fn begin<'a, 'run, E, V, T, F>(
    engine: &'run E,
    calls: &'a dyn Calls,
    services: &'run V,
    action: Box<dyn Action<T, F> + 'a>,
    rules: &'a Rules<F>,
    errors: ErrorRecord<F>,
    first: &mut Option<AttemptResult<T, F>>,
) -> BoxFuture<'a, StepEnded<'run, V, T, F, E::Suspension>>
where
    'run: 'a,
    E: Engine,
    V: ?Sized + Sync,
    T: Payload + Send + Sync + 'a,
    F: Display + Send + 'a,
{
    let request = StepRequest::new(action, rules, errors);
    Box::pin(pursue(engine, calls, services, request, first.take()))
}

/// How a step ended on the services `V`.
type StepEnded<'run, V, T, F, X> = CallEnd<T, F, &'run V, X>;

/// Pursues a step until its outcome is settled.
async fn pursue<'run, E, V, T, F>(
    engine: &'run E,
    calls: &dyn Calls,
    services: &'run V,
    mut request: StepRequest<'_, T, F>,
    first: Option<AttemptResult<T, F>>,
) -> StepEnded<'run, V, T, F, E::Suspension>
where
    E: Engine,
    V: ?Sized + Sync,
    T: Payload + Send + Sync,
    F: Display + Send,
{
    let first = first.map(|first| request.note(first));
    let end = engine.step(calls, &mut request, first).await;
    let step = request.meta();
    let (ends, output, why) = request.into_parts();
    let settlement = match (end, output, why) {
        (StepEnd::Suspended(suspension), ..) => {
            return CallEnd::of(services, Err(Stop::Suspended(suspension)));
        }
        (StepEnd::Done, Some(output), _) => {
            return CallEnd::of(services, Ok(Ok(output)));
        }
        (StepEnd::Stopped(settlement), output, Some(why)) => (settlement, output, why),
        (_, _, Some(why)) => (Settlement::Nothing, None, why),
        (_, _, None) => unreachable!("a step that is not done is given up for a reason"),
    };
    let (settlement, output, why) = settlement;
    let nothing_left = matches!(settlement, Settlement::Nothing | Settlement::Resolved);
    let is_done = matches!(settlement, Settlement::Done);
    let settled = settlement.into_compensation(path(calls.scope(), step.name));
    let returned = match why.into_stop() {
        Ok(error) if ends || nothing_left => Ok(Err(error)),
        Ok(error) => Err(Stop::Cause(Cause::InDoubt {
            message: error.to_string(),
        })),
        Err(cause) => Err(Stop::Cause(cause)),
    };
    CallEnd {
        kept: output.filter(|_| is_done),
        settled: settled.into_iter().collect(),
        ..CallEnd::of(services, returned)
    }
}
