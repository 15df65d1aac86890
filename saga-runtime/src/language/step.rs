//! The trait of steps: an action with a durable name, and its compensation. `#[step]` implements it; engines run it.

use std::fmt::{self, Display};
use std::pin::Pin;

use crate::language::{ErrorRecord, KindOf, Payload};
use crate::meta::StepMeta;
use crate::place::Context;

/// A step of a saga: one action in one service, and the compensation that undoes it.
///
/// `#[step]` implements it for a type with the name of the function. An [`Engine`](crate::engine::Engine) calls it.
///
/// An engine calls [`run`](Self::run) only after the outcome of the previous step is settled. It may call `run` again
/// after a failure, a timeout or a crash, always with equal arguments and the same idempotency key.
pub trait Step: Sized + Send + Sync + 'static {
    /// The durable name, the kind and the policies.
    const META: StepMeta;

    /// The kind as a type. The compiler checks the order rule of [`saga!`](crate::saga!) with it.
    type Kind: KindOf;

    /// The services that the step uses: connections, clients, settings.
    type Services: ?Sized + Sync + 'static;

    /// The inputs, as a tuple. They are cloned for each attempt.
    type Args<'a>: Clone + Send;

    /// The output. Later steps and the compensation use it.
    type Output: Payload + Send + Sync + 'static;

    /// The error. By default it is a refusal: it says that the step had no effect.
    type Error: Display + Send + 'static;

    /// Makes one attempt.
    fn run(
        cx: Context<'_, Self::Services>,
        args: Self::Args<'_>,
    ) -> impl Future<Output = Result<Self::Output, Self::Error>> + Send;

    /// Makes one attempt, behind a pointer.
    #[doc(hidden)]
    fn boxed<'cx: 'p, 'step: 'p, 'p>(
        cx: Context<'cx, Self::Services>,
        args: Self::Args<'step>,
    ) -> Pin<Box<dyn Future<Output = Result<Self::Output, Self::Error>> + Send + 'p>> {
        Box::pin(Self::run(cx, args))
    }

    /// Makes one attempt to undo the step that produced `output`. Called only if the kind is
    /// [`Compensatable`](crate::kind::Compensatable).
    fn compensate(
        cx: Context<'_, Self::Services>,
        output: &Self::Output,
    ) -> impl Future<Output = Result<(), String>> + Send {
        let _ = (cx, output);
        std::future::ready(Ok(()))
    }

    /// Makes one attempt to undo any effect that the step may have had under its key. Called only if
    /// [`StepMeta::resolver`] is set.
    fn resolve(
        cx: Context<'_, Self::Services>,
        args: Self::Args<'_>,
    ) -> impl Future<Output = Result<(), String>> + Send {
        let _ = (cx, args);
        std::future::ready(Ok(()))
    }

    /// The digest of its inputs, as far as they are `Serialize`: a replay compares it with the recorded one. `None` if none is.
    #[must_use]
    fn digest(args: &Self::Args<'_>) -> Option<u64> {
        let _ = args;
        None
    }

    /// The form in which an error that ends the saga is recorded.
    #[doc(hidden)]
    #[must_use]
    fn error_record() -> ErrorRecord<Self::Error> {
        ErrorRecord::Text
    }

    /// Returns whether another attempt may succeed after this error.
    #[must_use]
    fn is_transient(error: &Self::Error) -> bool {
        let _ = error;
        true
    }

    /// Returns whether this error leaves the step in doubt: the step may have had its effect.
    #[must_use]
    fn is_in_doubt(error: &Self::Error) -> bool {
        let _ = error;
        false
    }
}

/// The value that a step's function returns. Nothing has run yet.
///
/// In the body of a [`saga!`](crate::saga!), `.await` hands the call to the engine. Anywhere else `.await` runs the
/// function once, without policies, which is handy in unit tests. In the body of another step the called code is part
/// of that step: it has the step's idempotency key, and is neither recorded nor compensated by itself.
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

    /// Splits the call into services and arguments. The run adds the place.
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
