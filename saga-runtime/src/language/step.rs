//! What a step is: an action with a name, and how it is undone. Implemented by `#[step]`, run by an engine.

use std::fmt::{self, Display};
use std::pin::Pin;

use crate::language::{KindOf, Payload};
use crate::meta::StepMeta;
use crate::place::Context;

/// A step of a saga: one action in one service, and the compensation that undoes it.
///
/// `#[step]` implements it, for a type that is named like the function. An [`Engine`](crate::Engine) calls it.
///
/// Before [`run`](Self::run) is called, the outcome of the step before it is settled. It may be called again after
/// it has failed, timed out or been cut off by a crash, always with equal arguments and the same idempotency key.
pub trait Step: Sized + Send + Sync + 'static {
    /// Its durable name and its policies.
    const META: StepMeta;

    /// How it is undone, as a type: what the order rule of [`saga!`](crate::run::saga) is checked with.
    type Kind: KindOf;

    /// What it needs besides its inputs: connections, clients, settings.
    type Services: ?Sized + Sync + 'static;

    /// Its inputs, as a tuple. They are cloned for each attempt.
    type Args<'a>: Clone + Send;

    /// What it produces, for later steps and for its compensation.
    type Output: Payload + Send + Sync + 'static;

    /// Why it can refuse. By default an error means that nothing has happened.
    type Error: Display + Send + 'static;

    /// Does it, once.
    fn run(
        cx: Context<'_, Self::Services>,
        args: Self::Args<'_>,
    ) -> impl Future<Output = Result<Self::Output, Self::Error>> + Send;

    /// Undoes what produced `output`, once. Only called if the kind is [`Compensatable`](crate::language::Compensatable).
    fn compensate(
        cx: Context<'_, Self::Services>,
        output: &Self::Output,
    ) -> impl Future<Output = Result<(), String>> + Send {
        let _ = (cx, output);
        std::future::ready(Ok(()))
    }

    /// Undoes whatever may have happened under the step's key. Only called if [`StepMeta::resolver`] names one.
    fn resolve(
        cx: Context<'_, Self::Services>,
        args: Self::Args<'_>,
    ) -> impl Future<Output = Result<(), String>> + Send {
        let _ = (cx, args);
        std::future::ready(Ok(()))
    }

    /// Whether another attempt may help after this error.
    #[must_use]
    fn is_transient(error: &Self::Error) -> bool {
        let _ = error;
        true
    }

    /// Whether this error leaves open if something has happened.
    #[must_use]
    fn is_in_doubt(error: &Self::Error) -> bool {
        let _ = error;
        false
    }
}

/// What calling a step's function returns. Nothing has run yet.
///
/// In the body of a [`saga!`](crate::run::saga), `.await` hands it to the engine. Anywhere else `.await` simply runs the
/// function, once and without policies, as a unit test wants it. That holds in another step, too: what is called there is
/// part of that step, has its idempotency key, and is neither written down nor compensated by itself.
#[must_use = "a step does nothing until it is awaited"]
pub struct Call<'run, 'a, S: Step> {
    cx: Context<'run, S::Services>,
    args: S::Args<'a>,
}

impl<'run, 'a, S: Step> Call<'run, 'a, S> {
    #[inline]
    pub(crate) fn new(cx: Context<'run, S::Services>, args: S::Args<'a>) -> Self {
        Self { cx, args }
    }

    /// The services and the arguments. In a saga the run knows the place.
    #[inline]
    pub(crate) fn into_parts(self) -> (&'run S::Services, S::Args<'a>) {
        (self.cx.services(), self.args)
    }
}

impl<S: Step> fmt::Debug for Call<'_, '_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("step", &S::META.name)
            .finish_non_exhaustive()
    }
}

impl<'run: 'a, 'a, S: Step> IntoFuture for Call<'run, 'a, S> {
    type Output = Result<S::Output, S::Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(S::run(self.cx, self.args))
    }
}
