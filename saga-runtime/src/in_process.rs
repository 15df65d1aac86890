//! The engine that runs a saga in the caller's future: no journal, and no allocation while all goes well.

use std::convert::Infallible;

use tokio_util::sync::CancellationToken;

use crate::attempt::{Attempted, attempt_step, attempt_undo};
use crate::compensation::{CompensationFailure, Undoing, undo_again};
use crate::context::{Context, Instance, Position, Role, Scope};
use crate::control::Control;
use crate::engine::{Engine, Settlement, StepEnd, Stopped, Why};
use crate::error::SagaError;
use crate::id::SagaId;
use crate::pursuit::{BoxFuture, Place, pursue};
use crate::saga::{Saga, SagaEnd};
use crate::step::{Kind, Step};

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
}

impl<'a, S: ?Sized> InProcess<'a, S> {
    /// An engine for one saga that uses these services.
    pub fn new(services: &'a S) -> Self {
        Self {
            services,
            id: None,
            cancellation: None,
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

    /// Runs the saga until it has completed or is compensated.
    ///
    /// # Errors
    /// [`SagaError`] if it failed: the step, the cause, and what has become of the steps before.
    ///
    /// # Cancel safety
    /// Not cancel safe: see [`InProcess`].
    #[inline]
    pub async fn execute<G>(self, saga: G) -> Result<G::Output, SagaError<G::Error>>
    where
        G: Saga<Services = S>,
        S: Sync + 'static,
    {
        let instance = Instance::new(G::META.name, self.id);
        let scope = Scope::of_saga(&instance);
        let effects = Effects {
            control: Control::new(self.cancellation, G::META.deadline),
        };
        match saga
            .drive(Context::new(self.services, &scope), &effects)
            .await
        {
            SagaEnd::Completed(output) => Ok(output),
            SagaEnd::Failed(error) => Err(error),
            SagaEnd::Suspended(never) => match never {},
        }
    }
}

/// The engine behind [`InProcess`].
#[derive(Debug, Default)]
pub(crate) struct Effects {
    control: Control,
}

impl Engine for Effects {
    type Suspension = Infallible;

    #[inline]
    async fn step<'a, 'args, S: Step>(
        &'a self,
        instance: &'a Instance,
        position: Position<'a>,
        services: &'a S::Services,
        args: S::Args<'args>,
    ) -> StepEnd<S::Output, S::Error, Infallible> {
        if let Some(interruption) = self.control.interruption() {
            let why = Why::Interrupted(interruption);
            return StepEnd::Stopped(Box::new(Stopped {
                why,
                settlement: Settlement::Nothing,
            }));
        }
        if S::META.kind == Kind::Retriable {
            self.control.go_forward_only();
        }
        let place = Place { instance, position };
        let scope = place.scope(Role::Action, 1);
        let end = match attempt_step::<S>(services, &scope, args.clone()).await {
            Attempted::Done(output) => StepEnd::Done(output),
            Attempted::Refused(error) if is_final::<S>(&error) => StepEnd::Refused(error),
            other => Box::pin(pursue::<S, _>(&self.control, place, services, args, other)).await,
        };
        if S::META.kind == Kind::Pivot && matches!(end, StepEnd::Done(_)) {
            self.control.go_forward_only();
        }
        end
    }

    #[inline]
    async fn compensate<'a, S: Step>(
        &'a self,
        instance: &'a Instance,
        position: Position<'a>,
        services: &'a S::Services,
        output: &'a S::Output,
    ) -> Result<Result<(), CompensationFailure>, Infallible> {
        let place = Place { instance, position };
        let scope = place.scope(Role::Compensation, 1);
        let undo = S::compensate(Context::new(services, &scope), output);
        match attempt_undo(&scope, undo, S::META.compensation_timeout).await {
            Ok(()) => Ok(Ok(())),
            Err(message) => {
                let mut compensating = Compensating::<S> { services, output };
                let again = undo_again(
                    &mut compensating,
                    place,
                    S::META.compensation_retry,
                    message,
                );
                Ok(Box::pin(again).await)
            }
        }
    }
}

/// Whether no retry follows this error of a first attempt.
#[inline]
fn is_final<S: Step>(error: &S::Error) -> bool {
    S::META.kind != Kind::Retriable
        && (S::META.forward_retry().max_attempts() == Some(1) || !S::is_transient(error))
        && !S::is_in_doubt(error)
}

struct Compensating<'a, S: Step> {
    services: &'a S::Services,
    output: &'a S::Output,
}

impl<S: Step> Undoing for Compensating<'_, S> {
    fn attempt<'b>(&'b mut self, scope: Scope<'b>) -> BoxFuture<'b, Result<(), String>> {
        Box::pin(async move {
            let undo = S::compensate(Context::new(self.services, &scope), self.output);
            attempt_undo(&scope, undo, S::META.compensation_timeout).await
        })
    }
}
