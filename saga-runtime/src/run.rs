//! One run of a saga: its undo stack, how its body goes forward, and how it is unwound. Used by generated code.

use std::convert::Infallible;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use futures_util::future::join_all;
use smallvec::SmallVec;
use tracing::{Instrument, Span};

use crate::attempt::message;
use crate::compensation::{CompensationFailure, CompensationOrder, OnCompensationFailure};
use crate::context::{Context, Instance, Position, Trail};
use crate::engine::{Engine, Settlement, StepEnd, Stopped};
use crate::error::{Cause, Compensation, CompensationOutcome, SagaError};
use crate::kind::StepKind;
use crate::order::Site;
use crate::saga::{Saga, SagaEnd, SagaMeta};
use crate::step::{Call, Kind, Step, StepMeta};
use crate::telemetry;

/// What `saga!` generates: how to read the saga's shape, and the coordinator, which waits for its [`Start`].
#[derive(Debug)]
pub struct Plan<M, F> {
    pub(crate) shape: M,
    pub(crate) future: F,
}

impl<M, F> Plan<M, F> {
    /// Both halves.
    #[inline]
    pub fn new(shape: M, future: F) -> Self {
        Self { shape, future }
    }
}

/// What a coordinator starts from.
pub struct Start<'run, G: Saga, E> {
    /// The saga with its input.
    pub saga: G,
    /// The context of its body.
    pub cx: Context<'run, G::Services>,
    /// What runs its effects.
    pub engine: &'run E,
}

impl<G: Saga, E> fmt::Debug for Start<'_, G, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start")
            .field("cx", &self.cx)
            .finish_non_exhaustive()
    }
}

/// A step that was called, on the undo stack: what its compensation needs, or nothing if there is nothing to undo.
pub struct Called<'run, S: Step> {
    services: &'run S::Services,
    kept: Option<<S::Kind as StepKind>::Kept<S::Output>>,
}

impl<S: Step> fmt::Debug for Called<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Called")
            .field("step", &S::META.name)
            .finish_non_exhaustive()
    }
}

impl<S: Step> Called<'_, S> {
    /// The step's description.
    #[inline]
    #[must_use]
    pub fn step(&self) -> &'static StepMeta {
        &const { S::META }
    }

    /// Whether the step was done.
    #[inline]
    #[must_use]
    pub fn was_done(&self) -> bool {
        self.kept.is_some()
    }

    /// Compensates the step, if that is needed.
    #[inline]
    pub async fn compensate<E: Engine>(&self, at: At<'_, E>) -> Compensated<E> {
        match self
            .kept
            .as_ref()
            .and_then(<S::Kind as StepKind>::kept::<S::Output>)
        {
            Some(output) => {
                let position = Position::new(self.step(), at.trail, at.before);
                at.engine
                    .compensate::<S>(at.instance, position, self.services, output)
                    .await
            }
            None => Ok(Ok(())),
        }
    }
}

/// Where on the undo stack a compensation runs.
pub struct At<'a, E> {
    engine: &'a E,
    instance: &'a Instance,
    trail: &'a (dyn Trail + Sync),
    before: usize,
}

impl<E> fmt::Debug for At<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("At")
            .field("before", &self.before)
            .finish_non_exhaustive()
    }
}

/// One entry of a saga's undo stack: a step that was called. The macro generates an enum with a variant per call.
pub trait Entry: Send + Sync {
    /// See [`Called::step`].
    fn step(&self) -> &'static StepMeta;

    /// See [`Called::was_done`].
    fn was_done(&self) -> bool;
}

/// An [`Entry`] that can be undone.
pub trait Undo: Entry {
    /// See [`Called::compensate`].
    fn compensate<'a, E: Engine>(
        &'a self,
        at: At<'a, E>,
    ) -> impl Future<Output = Compensated<E>> + Send;
}

/// How one compensation ended, unless the engine let go of the saga.
pub type Compensated<E> = Result<Result<(), CompensationFailure>, <E as Engine>::Suspension>;

type Stack<U, const N: usize> = SmallVec<[U; N]>;

/// The undo stack knows the steps by type; contexts see only their names.
impl<U: Entry, const N: usize> Trail for Stack<U, N> {
    fn name(&self, index: usize) -> &'static str {
        self[index].step().name
    }
}

/// What is outside of a saga's body and watches it: whether a step has ended the saga, and its span.
#[derive(Debug)]
pub struct Watch {
    stopped: AtomicBool,
    span: Span,
}

impl Watch {
    /// Begins to watch the saga of this context.
    #[inline]
    pub fn new<V: ?Sized>(cx: Context<'_, V>) -> Self {
        Self {
            stopped: AtomicBool::new(false),
            span: telemetry::saga_span(cx.instance()),
        }
    }

    /// Runs the body until it returns, panics, or a step ends the saga.
    #[inline]
    pub async fn forward<R>(&self, body: impl Future<Output = R>) -> Forward<R> {
        let mut body = pin!(body);
        std::future::poll_fn(|cx| {
            let _entered = (!self.span.is_none()).then(|| self.span.enter());
            match catch_unwind(AssertUnwindSafe(|| body.as_mut().poll(cx))) {
                Ok(Poll::Ready(returned)) => Poll::Ready(Forward::Returned(returned)),
                Ok(Poll::Pending) if self.stopped.load(Ordering::Relaxed) => {
                    Poll::Ready(Forward::Stopped)
                }
                Ok(Poll::Pending) => Poll::Pending,
                Err(panic) => Poll::Ready(Forward::Panicked(message(&*panic))),
            }
        })
        .await
    }
}

/// How the body of a saga ended.
#[derive(Debug)]
pub enum Forward<R> {
    /// It returned.
    Returned(R),
    /// It panicked.
    Panicked(String),
    /// A step ended the saga; the body was dropped where it was.
    Stopped,
}

/// Why a step ended the saga without the body's having a say.
enum Stop<X> {
    Cause(Cause<Infallible>),
    Suspended(X),
}

/// One run of a saga on the engine `E`, with services `V` and an undo stack of `U` with room for `N` calls.
pub struct Run<'run, V: ?Sized, E: Engine, U, const N: usize> {
    watch: &'run Watch,
    cx: Context<'run, V>,
    engine: &'run E,
    stack: Stack<U, N>,
    failed_at: Option<&'static str>,
    settled: Vec<Compensation>,
    stop: Option<Stop<E::Suspension>>,
}

impl<V: ?Sized, E: Engine, U, const N: usize> fmt::Debug for Run<'_, V, E, U, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("cx", &self.cx)
            .finish_non_exhaustive()
    }
}

impl<'run, V, E, U, const N: usize> Run<'run, V, E, U, N>
where
    V: ?Sized + Sync + 'static,
    E: Engine,
    U: Undo,
{
    /// A run that has not called a step.
    #[inline]
    pub fn new(watch: &'run Watch, cx: Context<'run, V>, engine: &'run E) -> Self {
        Self {
            watch,
            cx,
            engine,
            stack: SmallVec::new(),
            failed_at: None,
            settled: Vec::new(),
            stop: None,
        }
    }

    /// `call.await?` in the body: a refusal is about to end the saga.
    ///
    /// # Errors
    /// The step's error.
    #[inline]
    pub async fn step<S>(
        &mut self,
        call: Call<'run, '_, S>,
        _: Site<S>,
        entry: impl FnOnce(Called<'run, S>) -> U,
    ) -> Result<S::Output, S::Error>
    where
        S: Step,
    {
        match self.call(call, entry).await {
            Ok(output) => Ok(output),
            Err(refusal) => {
                self.failed_at = Some(S::META.name);
                Err(refusal.error)
            }
        }
    }

    /// `call.await` in the body, which handles a refusal itself.
    ///
    /// # Errors
    /// The step's error, if nothing of the step is left.
    #[inline]
    pub async fn handle<S>(
        &mut self,
        call: Call<'run, '_, S>,
        _: Site<S>,
        entry: impl FnOnce(Called<'run, S>) -> U,
    ) -> Result<S::Output, S::Error>
    where
        S: Step,
    {
        match self.call(call, entry).await {
            Ok(output) => Ok(output),
            Err(Refusal {
                error,
                nothing_left: true,
            }) => Err(error),
            Err(Refusal {
                error,
                nothing_left: false,
            }) => {
                self.failed_at = Some(S::META.name);
                self.stop(Stop::Cause(Cause::InDoubt {
                    message: error.to_string(),
                }))
                .await
            }
        }
    }

    #[inline]
    async fn call<S: Step>(
        &mut self,
        call: Call<'run, '_, S>,
        entry: impl FnOnce(Called<'run, S>) -> U,
    ) -> Result<S::Output, Refusal<S::Error>> {
        let (services, args) = call.into_parts();
        let position = Position::new(&const { S::META }, &self.stack, self.stack.len());
        match self
            .engine
            .step::<S>(self.cx.instance(), position, services, args)
            .await
        {
            StepEnd::Done(output) => {
                self.stack.push(entry(Called {
                    services,
                    kept: Some(<S::Kind as StepKind>::keep(&output)),
                }));
                Ok(output)
            }
            StepEnd::Refused(error) => {
                self.stack.push(entry(Called {
                    services,
                    kept: None,
                }));
                Err(Refusal {
                    error,
                    nothing_left: true,
                })
            }
            StepEnd::Stopped(stopped) => {
                let Stopped { why, settlement } = *stopped;
                let nothing_left = matches!(settlement, Settlement::Nothing | Settlement::Resolved);
                let kept = self
                    .settle(S::META.name, settlement)
                    .map(|output| <S::Kind as StepKind>::keep(&output));
                self.stack.push(entry(Called { services, kept }));
                match why.into_stop() {
                    Ok(error) => Err(Refusal {
                        error,
                        nothing_left,
                    }),
                    Err(cause) => {
                        self.failed_at = Some(S::META.name);
                        self.stop(Stop::Cause(cause)).await
                    }
                }
            }
            StepEnd::Suspended(suspension) => self.stop(Stop::Suspended(suspension)).await,
        }
    }

    /// Records what has become of a step that was given up; returns the output of one that turned out to be done.
    fn settle<T>(&mut self, step: &'static str, settlement: Settlement<T>) -> Option<T> {
        let outcome = match settlement {
            Settlement::Nothing => return None,
            Settlement::Done(output) => return Some(output),
            Settlement::Resolved => CompensationOutcome::Compensated,
            Settlement::Unresolved(failure) => CompensationOutcome::Failed(failure),
        };
        self.settled.push(Compensation { step, outcome });
        None
    }

    /// Ends the saga here: the body is not polled again.
    async fn stop<T>(&mut self, stop: Stop<E::Suspension>) -> T {
        self.stop = Some(stop);
        self.watch.stopped.store(true, Ordering::Relaxed);
        std::future::pending().await
    }

    /// Ends the run after its body has ended: hands out the result, or unwinds what was done.
    #[inline]
    pub async fn finish<G>(mut self, body: Forward<Result<G::Output, G::Error>>) -> SagaEnd<G, E>
    where
        G: Saga<Services = V>,
    {
        let cause = match body {
            Forward::Returned(Ok(output)) => {
                telemetry::record_outcome(&self.watch.span, "completed");
                return SagaEnd::Completed(output);
            }
            Forward::Returned(Err(error)) => Cause::Error(error),
            Forward::Panicked(message) => Cause::Panicked { message },
            Forward::Stopped => match self.stop.take() {
                Some(Stop::Cause(cause)) => cause.widen(),
                Some(Stop::Suspended(suspension)) => return SagaEnd::Suspended(suspension),
                None => unreachable!("the watch is only raised together with `stop`"),
            },
        };
        let settled = std::mem::take(&mut self.settled);
        let unwound = if self.watch.span.is_none() {
            self.unwind(&G::META, settled).await
        } else {
            let span = self.watch.span.clone();
            self.unwind(&G::META, settled).instrument(span).await
        };
        match unwound {
            Ok((compensations, past_pivot)) => {
                let id = self.cx.instance().known_id().cloned();
                let error = SagaError::new(
                    G::META.name,
                    id,
                    self.failed_at,
                    cause,
                    compensations,
                    past_pivot,
                );
                let outcome = if error.is_compensated() {
                    "compensated"
                } else {
                    "stuck"
                };
                telemetry::record_outcome(&self.watch.span, outcome);
                SagaEnd::Failed(error)
            }
            Err(suspension) => SagaEnd::Suspended(suspension),
        }
    }

    /// Compensates what was done, unless the pivot is behind; returns what has become of each step.
    async fn unwind(
        &self,
        meta: &SagaMeta,
        mut compensations: Vec<Compensation>,
    ) -> Result<(Vec<Compensation>, bool), E::Suspension> {
        let past_pivot = self.is_past_pivot(&compensations);
        let halts = meta.on_compensation_failure == OnCompensationFailure::Halt;
        let mut halted = past_pivot || halts && compensations.iter().any(Compensation::has_failed);
        if !halted {
            self.engine.begin_compensation().await?;
        }
        compensations.reserve_exact(self.stack.len());
        if meta.compensations == CompensationOrder::Parallel && !halted {
            self.unwind_at_once(&mut compensations).await?;
            return Ok((compensations, past_pivot));
        }
        for index in (0..self.stack.len()).rev() {
            if !self.needs_undoing(index) {
                continue;
            }
            let step = self.stack[index].step().name;
            let compensation = if halted {
                Compensation {
                    step,
                    outcome: CompensationOutcome::Pending,
                }
            } else {
                Compensation::new(step, self.compensate(index).await?)
            };
            halted |= halts && compensation.has_failed();
            compensations.push(compensation);
        }
        Ok((compensations, past_pivot))
    }

    /// Compensates all that was done at the same time.
    async fn unwind_at_once(
        &self,
        compensations: &mut Vec<Compensation>,
    ) -> Result<(), E::Suspension> {
        let mut steps = Vec::with_capacity(self.stack.len());
        let mut running = Vec::with_capacity(self.stack.len());
        for index in (0..self.stack.len()).rev() {
            if self.needs_undoing(index) {
                steps.push(self.stack[index].step().name);
                running.push(self.compensate(index));
            }
        }
        for (step, ended) in steps.into_iter().zip(join_all(running).await) {
            compensations.push(Compensation::new(step, ended?));
        }
        Ok(())
    }

    fn needs_undoing(&self, index: usize) -> bool {
        let entry = &self.stack[index];
        entry.was_done() && entry.step().kind == Kind::Compensatable
    }

    fn compensate(&self, index: usize) -> impl Future<Output = Compensated<E>> + Send {
        let at = At {
            engine: self.engine,
            instance: self.cx.instance(),
            trail: &self.stack,
            before: index,
        };
        self.stack[index].compensate(at)
    }

    /// Whether a step that can't be undone was done, or may have been.
    fn is_past_pivot(&self, settled: &[Compensation]) -> bool {
        let closes = |kind| matches!(kind, Kind::Pivot | Kind::Retriable);
        let done = self
            .stack
            .iter()
            .any(|entry| entry.was_done() && closes(entry.step().kind));
        let in_doubt = settled.iter().any(Compensation::has_failed)
            && self
                .stack
                .last()
                .is_some_and(|entry| closes(entry.step().kind));
        done || in_doubt
    }
}

/// A refusal, and whether nothing of the step is left.
struct Refusal<E> {
    error: E,
    nothing_left: bool,
}
