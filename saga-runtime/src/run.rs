//! One run of a saga: its undo stack, how its body goes forward, and how it is unwound. Used by generated code.

use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use arrayvec::ArrayVec;
use futures_util::future::join_all;
use tracing::{Instrument, Span};

use crate::attempt::{Attempted, message};
use crate::compensation::{CompensationFailure, CompensationOrder, OnCompensationFailure};
use crate::engine::{Engine, Settlement, StepEnd, Stopped};
use crate::error::{Cause, Compensation, CompensationOutcome, SagaError};
use crate::kind::StepKind;
use crate::order::Site;
use crate::place::{Calls, FirstAttempt, Instance, Place, Position};
use crate::pursuit::BoxFuture;
use crate::saga::{Saga, SagaEnd, SagaMeta};
use crate::step::{Call, Kind, Step, StepMeta};
use crate::telemetry;

/// What `saga!` generates: how to read the saga's shape, and its coordinator.
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
    /// What its steps need besides their inputs.
    pub services: &'run G::Services,
    /// What runs its effects.
    pub engine: E,
}

impl<G: Saga, E> fmt::Debug for Start<'_, G, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start")
            .field("saga", &G::META.name)
            .finish_non_exhaustive()
    }
}

/// What a coordinator is given: a [`Start`], or nothing, if only its shape is wanted.
pub trait Input<'run, G: Saga, E> {
    /// The start, if there is one.
    fn take(self) -> Option<Start<'run, G, E>>;
}

impl<'run, G: Saga, E> Input<'run, G, E> for Start<'run, G, E> {
    #[inline]
    fn take(self) -> Option<Self> {
        Some(self)
    }
}

/// No start.
#[derive(Debug)]
pub struct Unstarted;

impl<'run, G: Saga, E> Input<'run, G, E> for Unstarted {
    fn take(self) -> Option<Start<'run, G, E>> {
        None
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

    /// Compensates the step, if that is needed; `before` calls came before it.
    #[inline]
    pub async fn compensate<E: Engine>(
        &self,
        engine: &E,
        calls: &dyn Calls,
        before: usize,
    ) -> Compensated<E> {
        let Some(output) = self
            .kept
            .as_ref()
            .and_then(<S::Kind as StepKind>::kept::<S::Output>)
        else {
            return Ok(Ok(()));
        };
        let position = Position::new(calls, self.step(), before);
        engine
            .compensate::<S>(position, self.services, output)
            .await
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
        engine: &'a E,
        calls: &'a dyn Calls,
        before: usize,
    ) -> impl Future<Output = Compensated<E>> + Send;
}

/// How one compensation ended, unless the engine let go of the saga.
pub type Compensated<E> = Result<Result<(), CompensationFailure>, <E as Engine>::Suspension>;

/// What a saga has called so far, last first: what has to be undone if it fails.
struct UndoStack<'run, U, const N: usize> {
    instance: &'run Instance,
    entries: ArrayVec<U, N>,
}

/// The stack knows the steps by type; contexts see only their names.
impl<U: Entry, const N: usize> Calls for UndoStack<'_, U, N> {
    fn instance(&self) -> &Instance {
        self.instance
    }

    fn count(&self) -> usize {
        self.entries.len()
    }

    fn name(&self, index: usize) -> &'static str {
        self.entries[index].step().name
    }
}

/// What is outside of a saga's body and watches it: whether a step has ended the saga, and its span.
#[derive(Debug)]
pub struct Watch {
    stopped: AtomicBool,
    span: Option<Box<Span>>,
}

impl Watch {
    /// Begins to watch the saga of this context.
    #[inline]
    pub fn new(instance: &Instance) -> Self {
        let span = if telemetry::is_off() {
            None
        } else {
            Some(Box::new(telemetry::saga_span(instance)))
        };
        Self {
            stopped: AtomicBool::new(false),
            span,
        }
    }

    /// Polls the body until it returns, panics, or a step ends the saga.
    #[inline]
    pub fn forward<R>(
        &self,
        mut body: Pin<&mut impl Future<Output = R>>,
    ) -> impl Future<Output = Forward<R>> {
        poll_fn(move |cx| {
            let _entered = self.span.as_ref().map(|span| span.enter());
            match catch_unwind(AssertUnwindSafe(|| body.as_mut().poll(cx))) {
                Ok(Poll::Ready(returned)) => Poll::Ready(Forward::Returned(returned)),
                Ok(Poll::Pending) if self.stopped.load(Ordering::Relaxed) => {
                    Poll::Ready(Forward::Stopped)
                }
                Ok(Poll::Pending) => Poll::Pending,
                Err(panic) => Poll::Ready(Forward::Panicked(message(&*panic))),
            }
        })
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

/// A step that was given up, and with it perhaps the saga.
struct GivenUp<X> {
    /// What has become of the step's effect.
    settled: Option<Compensation>,
    /// Why the saga ends here, without the body's having a say.
    stop: Option<Stop<X>>,
}

enum Stop<X> {
    Cause(Cause<Infallible>),
    Suspended(X),
}

/// One run of a saga on the engine `E`, with an undo stack of `U` with room for `N` calls.
pub struct Run<'run, E: Engine, U, const N: usize> {
    watch: &'run Watch,
    engine: &'run E,
    /// See [`Engine::trusts_first_attempts`].
    trusted: bool,
    stack: UndoStack<'run, U, N>,
    failed_at: Option<&'static StepMeta>,
    given_up: Vec<GivenUp<E::Suspension>>,
}

impl<E: Engine, U, const N: usize> fmt::Debug for Run<'_, E, U, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("saga", &self.stack.instance)
            .finish_non_exhaustive()
    }
}

impl<'run, E: Engine, U: Undo, const N: usize> Run<'run, E, U, N> {
    /// A run that has not called a step.
    #[inline]
    pub fn new(watch: &'run Watch, engine: &'run E) -> Self {
        let stack = UndoStack {
            instance: engine.instance(),
            entries: ArrayVec::new(),
        };
        Self {
            watch,
            engine,
            trusted: engine.trusts_first_attempts(),
            stack,
            failed_at: None,
            given_up: Vec::new(),
        }
    }

    /// Whether the first attempt of a step is made in the body itself, because the engine need not see it: then a step
    /// costs little more than the call of its function. Whatever does not succeed at once goes to [`Self::pursue`].
    #[inline]
    pub fn trusts<S: Step>(&self, _: &Call<'run, '_, S>, _: Site<S>) -> bool {
        self.trusted && S::META.timeout.is_none()
    }

    /// Where the first attempt of a call is made.
    #[inline]
    pub fn place<S: Step>(&self, _: Site<S>) -> impl Place + use<'_, S, E, U, N> {
        FirstAttempt::<S, _>::new(&self.stack)
    }

    /// Takes over the outcome of the first attempt, if it has succeeded.
    ///
    /// # Errors
    /// The outcome, if it has not, or was not made.
    #[inline]
    pub fn done<S: Step>(
        &mut self,
        call: &Call<'run, '_, S>,
        first: Option<Ended<S>>,
        entry: impl FnOnce(Called<'run, S>) -> U,
    ) -> Result<S::Output, Option<Ended<S>>> {
        match first {
            Some(Attempted::Done(output)) => {
                let kept = Some(<S::Kind as StepKind>::keep(&output));
                let services = call.services();
                self.stack.entries.push(entry(Called { services, kept }));
                Ok(output)
            }
            other => Err(other),
        }
    }

    /// Goes on with `call.await?`: a refusal is about to end the saga.
    #[inline(never)]
    pub fn step<'a, S: Step>(
        &'a mut self,
        call: Call<'run, 'a, S>,
        first: Option<Ended<S>>,
        entry: impl FnOnce(Called<'run, S>) -> U + Send + 'a,
    ) -> BoxFuture<'a, Result<S::Output, S::Error>> {
        Box::pin(self.pursue::<S, true>(call, first, entry))
    }

    /// Goes on with `call.await`, whose refusal the body handles itself.
    #[inline(never)]
    pub fn handle<'a, S: Step>(
        &'a mut self,
        call: Call<'run, 'a, S>,
        first: Option<Ended<S>>,
        entry: impl FnOnce(Called<'run, S>) -> U + Send + 'a,
    ) -> BoxFuture<'a, Result<S::Output, S::Error>> {
        Box::pin(self.pursue::<S, false>(call, first, entry))
    }

    /// Lets the engine pursue a step until its outcome is settled. A refusal either `ENDS` the saga or is handled.
    async fn pursue<S: Step, const ENDS: bool>(
        &mut self,
        call: Call<'run, '_, S>,
        first: Option<Ended<S>>,
        entry: impl FnOnce(Called<'run, S>) -> U + Send,
    ) -> Result<S::Output, S::Error> {
        let services = call.services();
        let args = call.into_args();
        let end = self
            .engine
            .step::<S>(&self.stack, services, args, first)
            .await;
        let (kept, ended) = match end {
            StepEnd::Done(output) => (Some(<S::Kind as StepKind>::keep(&output)), Ok(output)),
            StepEnd::Refused(error) => (None, Err(self.refused::<S, ENDS>(error))),
            StepEnd::Stopped(stopped) => {
                let Stopped { why, settlement } = *stopped;
                let nothing_left = matches!(settlement, Settlement::Nothing | Settlement::Resolved);
                let (kept, settled) = settlement.into_parts(S::META.name);
                let kept = kept.map(|output| <S::Kind as StepKind>::keep(&output));
                match why.into_stop() {
                    Ok(error) if ENDS || nothing_left => {
                        self.given_up.push(GivenUp {
                            settled,
                            stop: None,
                        });
                        (kept, Err(self.refused::<S, ENDS>(error)))
                    }
                    Ok(error) => {
                        let cause = Cause::InDoubt {
                            message: error.to_string(),
                        };
                        self.stop::<S>(settled, Stop::Cause(cause));
                        (kept, Err(error))
                    }
                    Err(cause) => {
                        self.stop::<S>(settled, Stop::Cause(cause));
                        self.stack.entries.push(entry(Called { services, kept }));
                        return std::future::pending().await;
                    }
                }
            }
            StepEnd::Suspended(suspension) => {
                self.stop::<S>(None, Stop::Suspended(suspension));
                return std::future::pending().await;
            }
        };
        self.stack.entries.push(entry(Called { services, kept }));
        if self.watch.stopped.load(Ordering::Relaxed) {
            return std::future::pending().await;
        }
        ended
    }

    /// A step has refused; remembers where, if that ends the saga.
    #[inline]
    fn refused<S: Step, const ENDS: bool>(&mut self, error: S::Error) -> S::Error {
        if ENDS {
            self.failed_at = Some(&const { S::META });
        }
        error
    }

    /// Ends the saga here: the body is not polled again.
    #[cold]
    fn stop<S: Step>(&mut self, settled: Option<Compensation>, stop: Stop<E::Suspension>) {
        self.failed_at = Some(&const { S::META });
        self.given_up.push(GivenUp {
            settled,
            stop: Some(stop),
        });
        self.watch.stopped.store(true, Ordering::Relaxed);
    }

    /// Ends the run of a saga that did not complete: unwinds what was done.
    #[inline(never)]
    pub fn finish<'a, G: Saga>(
        self,
        body: Forward<Result<G::Output, G::Error>>,
    ) -> BoxFuture<'a, E::End<G>>
    where
        Self: 'a,
    {
        Box::pin(async move {
            let engine = self.engine;
            engine.end(self.end(body).await)
        })
    }

    async fn end<G: Saga>(
        mut self,
        body: Forward<Result<G::Output, G::Error>>,
    ) -> SagaEnd<G, E::Suspension> {
        let cause = match body {
            Forward::Returned(Ok(output)) => return SagaEnd::Completed(output),
            Forward::Returned(Err(error)) => Cause::Error(error),
            Forward::Panicked(message) => Cause::Panicked { message },
            Forward::Stopped => match self.given_up.last_mut().and_then(|last| last.stop.take()) {
                Some(Stop::Cause(cause)) => cause.widen(),
                Some(Stop::Suspended(suspension)) => return SagaEnd::Suspended(suspension),
                None => unreachable!("the watch is only raised together with a reason to stop"),
            },
        };
        self.fail(cause).await
    }

    /// Ends the run of a saga that completed.
    #[inline]
    pub fn complete<G: Saga>(self, output: G::Output) -> E::End<G> {
        if let Some(span) = &self.watch.span {
            telemetry::record_outcome(span, "completed");
        }
        self.engine.end(SagaEnd::Completed(output))
    }

    async fn fail<G: Saga>(mut self, cause: Cause<G::Error>) -> SagaEnd<G, E::Suspension> {
        let settled = mem::take(&mut self.given_up)
            .into_iter()
            .filter_map(|one| one.settled)
            .collect();
        let unwinding = Unwinding {
            engine: self.engine,
            stack: &self.stack,
            meta: &G::META,
        };
        let unwound = match &self.watch.span {
            None => unwinding.run(settled).await,
            Some(span) => unwinding.run(settled).instrument(Span::clone(span)).await,
        };
        match unwound {
            Ok((compensations, past_pivot)) => {
                let id = self.stack.instance.known_id().cloned();
                let step = self.failed_at.map(|step| step.name);
                let error =
                    SagaError::new(G::META.name, id, step, cause, compensations, past_pivot);
                let outcome = if error.is_compensated() {
                    "compensated"
                } else {
                    "stuck"
                };
                if let Some(span) = &self.watch.span {
                    telemetry::record_outcome(span, outcome);
                }
                SagaEnd::Failed(error)
            }
            Err(suspension) => SagaEnd::Suspended(suspension),
        }
    }
}

/// How an attempt of the step `S` ended.
pub type Ended<S> = Attempted<<S as Step>::Output, <S as Step>::Error>;

/// The way back: compensates what is on the stack.
struct Unwinding<'a, 'run, E, U, const N: usize> {
    engine: &'a E,
    stack: &'a UndoStack<'run, U, N>,
    meta: &'a SagaMeta,
}

impl<E: Engine, U: Undo, const N: usize> Unwinding<'_, '_, E, U, N> {
    /// Compensates what was done, unless the pivot is behind; returns what has become of each step.
    async fn run(
        self,
        settled: Vec<Compensation>,
    ) -> Result<(Vec<Compensation>, bool), E::Suspension> {
        let mut compensations = settled;
        let past_pivot = self.is_past_pivot(&compensations);
        let halts = self.meta.on_compensation_failure == OnCompensationFailure::Halt;
        let mut halted = past_pivot || halts && compensations.iter().any(Compensation::has_failed);
        if !halted {
            self.engine.begin_compensation().await?;
        }
        let entries = &self.stack.entries;
        compensations.reserve_exact(entries.len());
        if self.meta.compensations == CompensationOrder::Parallel && !halted {
            self.all_at_once(&mut compensations).await?;
            return Ok((compensations, past_pivot));
        }
        for (index, entry) in entries.iter().enumerate().rev() {
            if !needs_undoing(entry) {
                continue;
            }
            let step = entry.step().name;
            let compensation = if halted {
                Compensation {
                    step,
                    outcome: CompensationOutcome::Pending,
                }
            } else {
                Compensation::new(
                    step,
                    entry.compensate(self.engine, self.stack, index).await?,
                )
            };
            halted |= halts && compensation.has_failed();
            compensations.push(compensation);
        }
        Ok((compensations, past_pivot))
    }

    /// Compensates all that was done at the same time.
    async fn all_at_once(
        &self,
        compensations: &mut Vec<Compensation>,
    ) -> Result<(), E::Suspension> {
        let mut steps = Vec::with_capacity(self.stack.entries.len());
        let mut running = Vec::with_capacity(self.stack.entries.len());
        for (index, entry) in self.stack.entries.iter().enumerate().rev() {
            if needs_undoing(entry) {
                steps.push(entry.step().name);
                running.push(entry.compensate(self.engine, self.stack, index));
            }
        }
        for (step, ended) in steps.into_iter().zip(join_all(running).await) {
            compensations.push(Compensation::new(step, ended?));
        }
        Ok(())
    }

    /// Whether a step that can't be undone was done, or may have been.
    fn is_past_pivot(&self, settled: &[Compensation]) -> bool {
        let closes = |kind| matches!(kind, Kind::Pivot | Kind::Retriable);
        let entries = &self.stack.entries;
        let done = entries
            .iter()
            .any(|entry| entry.was_done() && closes(entry.step().kind));
        let in_doubt = settled.iter().any(Compensation::has_failed)
            && entries
                .last()
                .is_some_and(|entry| closes(entry.step().kind));
        done || in_doubt
    }
}

fn needs_undoing(entry: &impl Entry) -> bool {
    entry.was_done() && entry.step().kind == Kind::Compensatable
}
