//! The engine that runs a saga in the caller's future: no journal, and no allocation while all goes well.

use std::borrow::Cow;
use std::convert::Infallible;
use std::future::pending;
use std::mem;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio_util::sync::CancellationToken;

use crate::attempts::{
    AttemptResult, Backoff, BoxFuture, Compensate, Control, GiveUp, LastError, Origin, PendingStep,
    Settlement, StepCompensator, StepEnd, Surroundings, Verdict, compensate, pursue,
};
use crate::engines::control::{Limits, LocalControl};
mod events;

pub use events::Events;

use crate::error::{CompensationOutcome, Interruption, SagaError};
use crate::id::SagaId;
use crate::language::{ReadEvent, Wait};
use crate::meta::{AttemptPhase, Policy, StepMeta};
use crate::place::{Attempt, Calls, Instance, Position, Role};
use crate::run::{Engine, Saga, SagaEnd, WaitEnd};
use crate::telemetry;

/// Runs one saga in the caller's future, without a journal.
///
/// `PlaceOrder { … }.execute(&shop)` is short for `InProcess::new(&shop).execute(PlaceOrder { … })`.
///
/// ```
/// use saga_runtime::{CancellationToken, Cause, Context, InProcess, SagaId, saga, step};
/// # use std::time::Duration;
/// # struct Shop;
/// # #[step(compensate = cancel)]
/// # async fn create_order(_: Context<'_, Shop>, amount: u64) -> Result<u64, String> { Ok(amount) }
/// # async fn cancel(_: Context<'_, Shop>, _: &u64) -> Result<(), String> { Ok(()) }
/// # saga!(
/// #     async fn place_order(cx: Context<'_, Shop>, amount: u64) -> Result<u64, String> {
/// #         let order = create_order(cx, amount).await?;
/// #         saga_runtime::sleep(cx, Duration::from_hours(1)).await;
/// #         Ok(order)
/// #     }
/// # );
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), saga_runtime::InvalidSagaId> {
/// let token = CancellationToken::new();
/// let saga = InProcess::new(&Shop)
///     .saga_id(SagaId::new("order-17")?) // what its idempotency keys begin with
///     .cancelled_by(token.clone())
///     .execute(PlaceOrder { amount: 3 });
/// token.cancel(); // as a handler of Ctrl-C would
/// let error = saga.await.unwrap_err();
/// assert_eq!(error.cause(), &Cause::Cancelled);
/// assert!(error.is_compensated());
/// # Ok(()) }
/// ```
///
/// A deadline is an option of the saga: `#[saga(deadline = "30s")]`.
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

    /// Cancels the saga when `token` is cancelled: the current attempt ends, then the steps that are done are
    /// compensated. After the pivot it has no effect.
    pub fn cancelled_by(self, token: CancellationToken) -> Self {
        Self {
            cancellation: Some(token),
            ..self
        }
    }

    /// The mailbox from which the saga takes the events that it waits for. Without this, no event ever comes.
    pub fn receives(self, events: Events) -> Self {
        Self {
            events: Some(events),
            ..self
        }
    }

    /// Runs the saga until it has completed or is compensated.
    ///
    /// # Errors
    /// [`SagaError`] if it failed: the step, the cause, and every compensation.
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
            control: LocalControl::new(limits),
            events: self.events,
            policy: const { G::META.default_policy() },
        };
        async move {
            let end = saga.drive(self.services, &effects).await;
            effects.drop_idle();
            end
        }
    }
}

/// The engine behind [`InProcess`].
#[derive(Debug)]
pub(crate) struct Effects {
    instance: Instance,
    control: LocalControl,
    events: Option<Events>,
    /// The policies of steps that say nothing.
    policy: Option<&'static Policy>,
}

impl Effects {
    /// The step with the policies that hold for it.
    #[inline]
    fn holding(&self, step: &'static StepMeta) -> Cow<'static, StepMeta> {
        match self.policy {
            None => Cow::Borrowed(step),
            Some(policy) => Cow::Owned(step.or_policy(*policy)),
        }
    }

    /// Fast path of `drop`: usually nothing is allocated.
    #[inline]
    fn drop_idle(self) {
        if self.instance.is_idle() && self.control.is_unlimited() && self.events.is_none() {
            mem::forget(self);
        } else {
            drop(self);
        }
    }
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
        self.control.is_unlimited() && telemetry::is_off() && self.policy.is_none()
    }

    async fn step<'a>(
        &'a self,
        calls: &'a dyn Calls,
        step: &'a mut dyn PendingStep,
        first: Option<Verdict>,
    ) -> StepEnd<Infallible> {
        let meta = self.holding(step.meta());
        let position = Position::new(calls, step.meta(), calls.count());
        let first = if let Some(first) = first {
            first
        } else {
            if let Err(end) = self.control.begin_request(step, false) {
                return end;
            }
            let attempt = Attempt::new(position, Role::Action, 1);
            step.attempt(&attempt, meta.timeout).await
        };
        let end = if let Some(end) = StepEnd::after_first(first, &meta) {
            end
        } else {
            let origin = Origin::after_first(first);
            Box::pin(pursue(step, origin, position, self)).await.0
        };
        if cfg!(debug_assertions)
            && let Some(end) = unrecordable(step, &end)
        {
            return end;
        }
        match end {
            StepEnd::Done => self.control.after_done(step),
            end => end,
        }
    }

    async fn wait(
        &self,
        _: &dyn Calls,
        _: &'static StepMeta,
        wait: Wait,
        _: ReadEvent<'_>,
    ) -> WaitEnd<Infallible> {
        let event = pin!(async {
            match &self.events {
                Some(events) => events.take(wait.events).await,
                None => pending().await,
            }
        });
        let passing = pin!(self.control.wait_within(wait.limit));
        match select(event, passing).await {
            Either::Left(((event, json), _)) => WaitEnd::Received { event, json },
            Either::Right((Some(interruption), _)) => WaitEnd::Stopped(interruption.into()),
            Either::Right((None, _)) => WaitEnd::TimedOut,
        }
    }

    async fn compensate<'a>(
        &'a self,
        position: Position<'a>,
        step: &'a dyn Compensate,
        first: Option<AttemptResult<(), String>>,
    ) -> Result<CompensationOutcome, Infallible> {
        let origin = first.into();
        let (compensator, phase) = (&mut StepCompensator(step), AttemptPhase::Compensating);
        let (_, end) = compensate(compensator, phase, position, origin, self).await?;
        Ok(end.into())
    }
}

/// Ends a step whose value a journal could not give back. Only debug builds ask, so that tests in process show it.
fn unrecordable(
    step: &mut dyn PendingStep,
    end: &StepEnd<Infallible>,
) -> Option<StepEnd<Infallible>> {
    let (why, settlement) = match end {
        StepEnd::Done => {
            let problem = step.check_output().err()?;
            (GiveUp::unrecordable_output(&problem), Settlement::Done)
        }
        StepEnd::Refused => {
            let problem = step.check_error().err()?;
            (GiveUp::unrecordable_error(&problem), Settlement::Nothing)
        }
        StepEnd::Stopped(_) | StepEnd::Suspended(_) => return None,
    };
    step.give_up(why);
    Some(StepEnd::Stopped(settlement))
}

impl Surroundings<Infallible> for Effects {
    fn policies(&self, step: &'static StepMeta) -> Cow<'static, StepMeta> {
        self.holding(step)
    }

    fn limit(&self, own: Option<Duration>) -> Option<Duration> {
        own
    }

    fn wait<'b>(
        &'b self,
        backoff: Backoff,
        _: LastError<'b>,
    ) -> BoxFuture<'b, Result<Option<Interruption>, Infallible>> {
        Box::pin(async move { Ok(self.control.wait(backoff.delay).await) })
    }

    fn pause<'b>(
        &'b self,
        backoff: Backoff,
        _: LastError<'b>,
    ) -> BoxFuture<'b, Result<(), Infallible>> {
        Box::pin(async move {
            tokio::time::sleep(backoff.delay).await;
            Ok(())
        })
    }

    fn begin_settling<'a>(
        &'a self,
        _: Position<'a>,
        _: u32,
        _: &'a mut dyn PendingStep,
    ) -> BoxFuture<'a, Result<(), Infallible>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
