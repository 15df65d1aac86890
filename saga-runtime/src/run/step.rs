//! Steps as calls in the body of a saga.

use std::fmt::{self, Display};
use std::future::ready;

use crate::attempts::{
    Action, AttemptResult, BoxFuture, Compensate, GiveUp, PendingStep, Rules, Settlement, StepEnd,
    StepRequest, Verdict,
};
use crate::error::{Cause, CompensationFailure};
use crate::language::{ErrorRecord, KindOf, Payload, Step, check_recordable};
use crate::meta::{Kind, StepMeta};
use crate::panic::{contain, drop_caught, text};
use crate::place::{Calls, Context, Place, Position};
use crate::run::callable::{CallEnd, Callable, DoneOutput, EndOf, FirstTried, Tryable};
use crate::run::first_attempt::InBody;
use crate::run::unwind::{KeptCall, Left, Unwind};
use crate::run::{Engine, Stop};

/// A step that is done, with the value for its compensation.
pub struct Called<'run, S: Step> {
    services: &'run S::Services,
    kept: <S::Kind as KindOf>::Kept<S::Output>,
}

impl<S: Step> fmt::Debug for Called<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Called")
            .field("step", &S::META.name)
            .finish_non_exhaustive()
    }
}

impl<S: Step> KeptCall for Called<'_, S> {
    const CALLEE: StepMeta = S::META;

    #[inline]
    fn compensation<'a>(
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
        match self.compensation(place) {
            Some(compensation) => Box::pin(compensation),
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
        f.debug_struct("PendingCall")
            .field("step", &S::META.name)
            .finish_non_exhaustive()
    }
}

impl<S: Step> Action<S::Output, S::Error> for PendingCall<'_, '_, S> {
    fn run<'b>(&'b mut self, place: &'b dyn Place) -> BoxFuture<'b, Result<S::Output, S::Error>> {
        S::boxed(Context::at(self.services, place), self.args.clone())
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

    fn digest(&self) -> Option<u64> {
        S::digest(&self.args)
    }
}

/// A compensation that does nothing.
fn nothing() -> BoxFuture<'static, Result<(), String>> {
    Box::pin(ready(Ok(())))
}

impl<'run, S: Step, E: Engine> Callable<'run, E> for PendingCall<'run, '_, S> {
    type Callee = S;
    type Output = S::Output;
    type Error = S::Error;
    type Left = &'run S::Services;
    type KeptCall = Called<'run, S>;

    type FirstAttempt = InBody;

    const IS_SAGA: bool = false;

    #[inline]
    fn kept(
        services: &mut Option<&'run S::Services>,
        output: Option<DoneOutput<'_, S::Output>>,
    ) -> Option<Called<'run, S>> {
        let kept = match output? {
            DoneOutput::Shared(output) => <S::Kind as KindOf>::keep(output),
            DoneOutput::Whole(output) => <S::Kind as KindOf>::keep_whole(output),
        };
        Some(Called {
            services: services.take()?,
            kept,
        })
    }

    fn text(error: &S::Error) -> String {
        text(error)
    }

    #[cold]
    fn pursue<'a>(
        self,
        engine: &'run E,
        calls: &'a dyn Calls,
        first: &mut FirstTried<'run, Self, E>,
        errors: ErrorRecord<S::Error>,
    ) -> BoxFuture<'a, EndOf<'run, Self, E>>
    where
        Self: 'a,
        'run: 'a,
    {
        let rules = &const { Rules::for_step::<S>() };
        let errors = errors.or(S::error_record);
        begin_pursuit(
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

impl<'run, 'args, S: Step, E: Engine> Tryable<'run, E> for PendingCall<'run, 'args, S> {
    #[inline]
    fn attempt<'p>(
        &self,
        place: &'p dyn Place,
    ) -> impl Future<Output = Result<S::Output, S::Error>> + Send + use<'p, 'run, 'args, S, E>
    where
        Self: 'p,
        'run: 'p,
    {
        first_attempt::<S>(Context::at(self.services, place), self.args.clone())
    }

    #[inline]
    fn left_if_done(&self) -> Self::Left {
        self.services
    }

    #[inline]
    fn is_settled_by(error: &S::Error) -> bool {
        let verdict = Verdict::from_error(error, S::is_transient, S::is_in_doubt);
        verdict.is_definite(&const { S::META })
    }

    fn is_recordable(output: &S::Output) -> bool {
        check_recordable(output).is_ok()
    }
}

/// Makes the first attempt, which the body awaits. In a debug build it is behind a pointer: then no code but the step's own
/// has the type of its future, and a change in one step compiles little else anew.
#[cfg(debug_assertions)]
fn first_attempt<'cx: 'p, 'args: 'p, 'p, S: Step>(
    cx: Context<'cx, S::Services>,
    args: S::Args<'args>,
) -> BoxFuture<'p, Result<S::Output, S::Error>> {
    S::boxed(cx, args)
}

/// Makes the first attempt, which the body awaits, without an allocation.
#[cfg(not(debug_assertions))]
#[inline(always)]
fn first_attempt<'cx, 'args, S: Step>(
    cx: Context<'cx, S::Services>,
    args: S::Args<'args>,
) -> impl Future<Output = Result<S::Output, S::Error>> + Send + use<'cx, 'args, S> {
    S::run(cx, args)
}

/// Begins to pursue a step. Only what is above this is compiled for each step.
fn begin_pursuit<'a, 'run, E, V, T, F>(
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
    let mut request = StepRequest::new(action, rules, errors);
    let first = first.take().map(|first| request.note(first));
    Box::pin(pursue(engine, calls, services, request, first))
}

/// The end of a step on the services `V`.
type StepEnded<'run, V, T, F, X> = CallEnd<T, F, &'run V, X>;

/// Pursues a step until its outcome is settled.
#[expect(
    clippy::manual_async_fn,
    reason = "an `async fn` stores each argument twice, as an argument and as a variable"
)]
fn pursue<'a, 'run, E, V, T, F>(
    engine: &'run E,
    calls: &'a dyn Calls,
    services: &'run V,
    mut request: StepRequest<'a, T, F>,
    first: Option<Verdict>,
) -> impl Future<Output = StepEnded<'run, V, T, F, E::Suspension>> + Send
where
    E: Engine,
    V: ?Sized + Sync,
    T: Payload + Send + Sync,
    F: Display + Send,
{
    async move {
        let end = contain(engine.step(calls, &mut request, first)).await;
        conclude(calls, services, request, end)
    }
}

/// The end of a call whose step has ended.
fn conclude<'run, V, T, F, X>(
    calls: &dyn Calls,
    services: &'run V,
    mut request: StepRequest<'_, T, F>,
    end: Result<StepEnd<X>, String>,
) -> StepEnded<'run, V, T, F, X>
where
    V: ?Sized,
    T: Payload + Send,
    F: Display + Send,
{
    // What has happened is open after a panic of which no attempt accounts: the step is named as not undone.
    let end = end.unwrap_or_else(|message| {
        let failure = CompensationFailure::new(1, format!("panicked: {message}"));
        request.give_up(GiveUp::Panicked { message });
        StepEnd::Stopped(Settlement::Unresolved(failure))
    });
    let position = Position::new(calls, request.meta(), calls.count());
    let (ends, output, why) = request.into_parts();
    let settlement = match (end, output, why) {
        (StepEnd::Suspended(suspension), output, why) => {
            drop_caught((output, why));
            return CallEnd::new(services, Err(Stop::Suspended(suspension)));
        }
        (StepEnd::Done, Some(output), why) => {
            drop_caught(why);
            return CallEnd::new(services, Ok(Ok(output)));
        }
        (StepEnd::Stopped(settlement), output, Some(why)) => (settlement, output, why),
        (_, output, Some(why)) => (Settlement::Nothing, output, why),
        (_, _, None) => unreachable!("a step that is not done is given up for a reason"),
    };
    let (settlement, output, why) = settlement;
    let nothing_left = matches!(settlement, Settlement::Nothing | Settlement::Resolved);
    let is_done = matches!(settlement, Settlement::Done);
    let settled = settlement.into_compensation(position.name(), position.occurrence());
    let returned = match why.into_stop() {
        Ok(error) if ends || nothing_left => Ok(Err(error)),
        Ok(error) => {
            let message = text(&error);
            drop_caught(error);
            Err(Stop::Cause(Cause::InDoubt { message }))
        }
        Err(cause) => Err(Stop::Cause(cause)),
    };
    let kept = if is_done {
        output
    } else {
        drop_caught(output);
        None
    };
    CallEnd {
        kept,
        settled: settled.into_iter().collect(),
        ..CallEnd::new(services, returned)
    }
}
