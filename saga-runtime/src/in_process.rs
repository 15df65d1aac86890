//! The engine that runs a saga in the caller's future: no journal, and no allocation while all goes well.

use std::convert::Infallible;
use std::future::pending;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio_util::sync::CancellationToken;

use crate::asking::Directly;
use crate::attempt::{Attempted, attempt_step, caught};
use crate::compensation::{Compensating, undo};
use crate::context::Context;
use crate::control::{Control, Interruption, Limits};
use crate::decision::is_definite;
use crate::engine::{Engine, ErrorRecord, Settlement, StepEnd};
use crate::error::{CompensationOutcome, SagaError};
use crate::id::SagaId;
use crate::journal::Reason;
use crate::place::{Attempt, Calls, Instance, Position, Role};
use crate::pursuit::{Begin, BoxFuture, Pursuit, Surroundings};
use crate::saga::{Saga, SagaEnd};
use crate::step::{Kind, Step, StepMeta};
use crate::telemetry;
use crate::wait::{Events, Wait, WaitEnd};

/// Runs one saga in the caller's future, without a journal.
///
/// `PlaceOrder { … }.execute(&shop)` is short for `InProcess::new(&shop).execute(PlaceOrder { … })`.
///
/// # Cancel safety
/// The saga lives in the future of [`execute`](Self::execute). If that is dropped in the middle, the saga ends where it
/// is: nothing more runs, and **nothing is compensated**. Where the future may be dropped (a `select!`, a timeout, a
/// connection that closes), put it in a task of its own with `tokio::spawn`, and use
/// [`cancelled_by`](Self::cancelled_by) to end a saga early: that compensates.
#[derive(Debug, Clone)]
#[must_use = "nothing runs until `execute` is called"]
pub struct InProcess<'a, S: ?Sized> {
    services: &'a S,
    id: Option<SagaId>,
    cancellation: Option<CancellationToken>,
    events: Option<Events>,
}

impl<'a, S: ?Sized> InProcess<'a, S> {
    /// An engine for one saga that uses these services.
    pub fn new(services: &'a S) -> Self {
        Self {
            services,
            id: None,
            cancellation: None,
            events: None,
        }
    }

    /// Gives the saga an id, from which its idempotency keys are derived. Without one it gets a new id.
    pub fn saga_id(self, id: SagaId) -> Self {
        Self {
            id: Some(id),
            ..self
        }
    }

    /// Cancels the saga when `token` is cancelled: the current attempt ends, then what was done is compensated. After
    /// the pivot it has no effect.
    pub fn cancelled_by(self, token: CancellationToken) -> Self {
        Self {
            cancellation: Some(token),
            ..self
        }
    }

    /// Where the saga finds the events that it waits for. Without this, none ever comes.
    pub fn receives(self, events: Events) -> Self {
        Self {
            events: Some(events),
            ..self
        }
    }

    /// Runs the saga until it has completed or is compensated.
    ///
    /// # Errors
    /// [`SagaError`] if it failed: the step, the cause, and what has become of the steps before.
    ///
    /// # Cancel safety
    /// Not cancel safe: see [`InProcess`].
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn execute<G>(
        self,
        saga: G,
    ) -> impl Future<Output = Result<G::Output, SagaError<G::Error>>> + Send
    where
        G: Saga<Services = S>,
        S: Sync + 'static,
    {
        let limits = Limits::new(self.cancellation, G::META.deadline);
        let effects = Effects {
            instance: Instance::new(G::META.name, self.id),
            control: Control::new(limits),
            events: self.events,
        };
        async move { saga.drive(self.services, &effects).await }
    }
}

/// The engine behind [`InProcess`].
#[derive(Debug)]
pub(crate) struct Effects {
    instance: Instance,
    control: Control,
    events: Option<Events>,
}

impl Engine for Effects {
    type Suspension = Infallible;
    type End<G: Saga> = Result<G::Output, SagaError<G::Error>>;

    #[inline]
    fn instance(&self) -> &Instance {
        &self.instance
    }

    #[inline]
    fn end<G: Saga>(&self, end: SagaEnd<G, Infallible>) -> Self::End<G> {
        match end {
            SagaEnd::Completed(output) => Ok(output),
            SagaEnd::Failed(error) => Err(error),
        }
    }

    #[inline]
    fn trusts_first_attempts(&self) -> bool {
        self.control.is_unlimited() && telemetry::is_off()
    }

    async fn step<'a, S: Step>(
        &'a self,
        calls: &'a dyn Calls,
        services: &'a S::Services,
        args: S::Args<'_>,
        first: Option<Attempted<S::Output, S::Error>>,
        errors: ErrorRecord<S::Error>,
    ) -> StepEnd<S::Output, S::Error, Infallible> {
        let position = Position::new(calls, &const { S::META }, calls.count());
        let first = if let Some(first) = first {
            first
        } else {
            if let Some(interruption) = self.control.interruption() {
                return StepEnd::interrupted(interruption, Settlement::Nothing);
            }
            if S::META.kind == Kind::Retriable {
                self.control.go_forward_only();
            }
            let attempt = Attempt::new(position, Role::Action, 1);
            attempt_step::<S>(services, &attempt, args.clone(), S::META.timeout).await
        };
        let end = match first {
            Attempted::Done(output) => StepEnd::Done(output),
            Attempted::Refused(error) if is_definite::<S>(&error) => StepEnd::Refused(error),
            other => {
                let pursuit = Pursuit::<S> {
                    position,
                    services,
                    errors,
                };
                pursuit
                    .run(&Directly::NEW, self, args, Begin::After(other))
                    .await
                    .0
            }
        };
        let StepEnd::Done(output) = end else {
            return end;
        };
        if S::META.kind == Kind::Pivot {
            self.control.go_forward_only();
        }
        match self.control.interruption() {
            None => StepEnd::Done(output),
            // The saga was stopped during the attempt: what that has done is undone with the rest.
            Some(interruption) => StepEnd::interrupted(interruption, Settlement::Done(output)),
        }
    }

    async fn wait(&self, _: &dyn Calls, _: &'static StepMeta, wait: Wait) -> WaitEnd<Infallible> {
        let event = pin!(async {
            match (wait.event, &self.events) {
                (Some(name), Some(events)) => events.next(name).await,
                _ => pending().await,
            }
        });
        let passing = pin!(self.control.wait_within(wait.limit));
        match select(event, passing).await {
            Either::Left((received, _)) => WaitEnd::Received(received),
            Either::Right((Some(interruption), _)) => WaitEnd::Stopped(interruption.into()),
            Either::Right((None, _)) => WaitEnd::TimedOut,
        }
    }

    #[inline]
    async fn compensate<'a, S: Step>(
        &'a self,
        position: Position<'a>,
        services: &'a S::Services,
        output: &'a S::Output,
    ) -> Result<CompensationOutcome, Infallible> {
        let first = if self.trusts_first_attempts() && S::META.compensation_timeout.is_none() {
            let attempt = Attempt::new(position, Role::Compensation, 1);
            let cx = Context::new(services, &attempt);
            // In a block, so that a function that panics before it returns its future is caught as well.
            let undo = async { S::compensate(cx, output).await };
            match caught(pin!(undo)).await {
                Attempted::Done(()) => return Ok(CompensationOutcome::Compensated),
                failed => Some(failed),
            }
        } else {
            None
        };
        let mut compensating = Compensating::<S> {
            services,
            output,
            limit: S::META.compensation_timeout,
        };
        let retry = S::META.compensation_retry;
        let (_, undone) = Box::pin(undo(&mut compensating, position, retry, first, self)).await?;
        Ok(undone.into())
    }
}

impl Surroundings<Infallible> for Effects {
    fn limit(&self, own: Option<Duration>) -> Option<Duration> {
        own
    }

    fn wait(&self, delay: Duration) -> BoxFuture<'_, Result<Option<Interruption>, Infallible>> {
        Box::pin(async move { Ok(self.control.wait(delay).await) })
    }

    fn pause(&self, delay: Duration) -> BoxFuture<'_, Result<(), Infallible>> {
        Box::pin(async move {
            tokio::time::sleep(delay).await;
            Ok(())
        })
    }

    fn begin_settling<'a>(
        &'a self,
        _: Position<'a>,
        _: u32,
        _: Reason,
    ) -> BoxFuture<'a, Result<(), Infallible>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
