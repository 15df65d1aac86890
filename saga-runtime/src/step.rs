//! What a step is: an action with a name, and how it is undone. Implemented by `#[step]`, run by an engine.

use std::fmt::{self, Display};
use std::pin::Pin;
use std::time::Duration;

use crate::context::Context;
use crate::kind::StepKind;
use crate::payload::Payload;
use crate::retry::RetryPolicy;
use crate::run::Calling;

/// A step of a saga: one action in one service, and the compensation that undoes it.
///
/// `#[step]` implements it, for a type that is named like the function. An [`Engine`](crate::Engine) calls it.
///
/// Before [`run`](Self::run) is called, the outcome of the step before it is settled. It may be called again after
/// it has failed, timed out or been cut off by a crash, always with equal arguments and the same idempotency key.
pub trait Step: Sized + Send + Sync + 'static {
    /// Its durable name and its policies.
    const META: StepMeta;

    /// How it is undone, as a type: what the order rule of [`saga!`](crate::saga) is checked with.
    type Kind: StepKind;

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

    /// Undoes what produced `output`, once. Only called if the kind is [`Compensatable`](crate::kind::Compensatable).
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

/// How a step is undone, as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It has a compensation.
    Compensatable,
    /// It reads, or what it does is harmless: there is nothing to undo.
    NothingToUndo,
    /// It can't be undone; once it has succeeded, the saga only goes forward.
    Pivot,
    /// It is retried until it succeeds; it never makes the saga fail.
    Retriable,
}

impl Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Compensatable => "compensatable",
            Self::NothingToUndo => "nothing to undo",
            Self::Pivot => "pivot",
            Self::Retriable => "retriable",
        })
    }
}

/// A step's durable name and its policies: what `#[step(…)]` says.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct StepMeta {
    /// The name in journals, keys, spans and errors. Renaming the function without `name = "…"` changes it.
    pub name: &'static str,
    /// How it is undone.
    pub kind: Kind,
    /// The path of the compensation as it was written, if it has one.
    pub compensation: Option<&'static str>,
    /// The path of the resolver as it was written, if it has one.
    pub resolver: Option<&'static str>,
    /// The longest that one attempt may take.
    pub timeout: Option<Duration>,
    /// How often it is attempted; `None` where nothing was said.
    pub retry: Option<RetryPolicy>,
    /// The longest that one attempt of the compensation may take.
    pub compensation_timeout: Option<Duration>,
    /// How often the compensation is attempted.
    pub compensation_retry: RetryPolicy,
}

impl StepMeta {
    /// A step with this name and kind, and no policies but the defaults.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            compensation: None,
            resolver: None,
            timeout: None,
            retry: None,
            compensation_timeout: None,
            compensation_retry: RetryPolicy::COMPENSATION,
        }
    }

    /// The same step with the compensation at this path.
    #[must_use]
    pub const fn compensation(self, path: &'static str) -> Self {
        Self {
            compensation: Some(path),
            ..self
        }
    }

    /// The same step with the resolver at this path.
    #[must_use]
    pub const fn resolver(self, path: &'static str) -> Self {
        Self {
            resolver: Some(path),
            ..self
        }
    }

    /// The same step with a limit on each attempt.
    #[must_use]
    pub const fn timeout(self, timeout: Duration) -> Self {
        Self {
            timeout: Some(timeout),
            ..self
        }
    }

    /// The same step, attempted by this policy.
    #[must_use]
    pub const fn retry(self, retry: RetryPolicy) -> Self {
        Self {
            retry: Some(retry),
            ..self
        }
    }

    /// The same step with a limit on each attempt of its compensation.
    #[must_use]
    pub const fn compensation_timeout(self, timeout: Duration) -> Self {
        Self {
            compensation_timeout: Some(timeout),
            ..self
        }
    }

    /// The same step with a compensation that is attempted by this policy.
    #[must_use]
    pub const fn compensation_retry(self, retry: RetryPolicy) -> Self {
        Self {
            compensation_retry: retry,
            ..self
        }
    }

    /// How often it is attempted before the saga goes backward.
    #[must_use]
    pub const fn forward_retry(&self) -> RetryPolicy {
        match (self.retry, self.kind) {
            (Some(retry), _) => retry,
            (None, Kind::Retriable) => RetryPolicy::UNTIL_SUCCESS,
            (None, _) => RetryPolicy::ONCE,
        }
    }

    /// How often it is attempted again to find out what an attempt without a definite answer has done.
    #[must_use]
    pub const fn settling_retry(&self) -> RetryPolicy {
        match self.retry {
            Some(retry) => retry,
            None => RetryPolicy::COMPENSATION,
        }
    }
}

/// What calling a step's function returns. Nothing has run yet.
///
/// In the body of a [`saga!`](crate::saga), `.await` hands it to the engine. Anywhere else `.await` simply runs the
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

    /// The same in a saga, which knows the place.
    #[inline]
    pub(crate) fn in_saga(self) -> Calling<'run, 'a, S> {
        Calling::new(self.cx.services(), self.args)
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
