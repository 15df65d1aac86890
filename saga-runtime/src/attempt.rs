//! One attempt of a step or a compensation: limited in time, its panic caught, its span closed with an outcome.

use std::any::Any;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tracing::Instrument;

use crate::context::{Context, Role, Scope};
use crate::step::Step;
use crate::telemetry;

/// How one attempt ended. A panic and a timeout leave open what has happened; `Err` says that nothing has.
#[derive(Debug)]
pub(crate) enum Attempted<T, E> {
    Done(T),
    Refused(E),
    TimedOut { after: Duration },
    Panicked { message: String },
}

impl<T, E: Display> Attempted<T, E> {
    /// The text of what went wrong.
    pub(crate) fn into_result(self) -> Result<T, String> {
        match self {
            Self::Done(value) => Ok(value),
            Self::Refused(error) => Err(error.to_string()),
            Self::TimedOut { after } => Err(format!("no answer within {after:?}")),
            Self::Panicked { message } => Err(format!("panicked: {message}")),
        }
    }

    fn outcome(&self) -> &'static str {
        match self {
            Self::Done(_) => "done",
            Self::Refused(_) => "refused",
            Self::TimedOut { .. } => "timed out",
            Self::Panicked { .. } => "panicked",
        }
    }
}

/// Polls `future` until it ends, panics or has taken longer than `limit`.
#[inline]
async fn attempted<F, T, E>(future: F, limit: Option<Duration>) -> Attempted<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let Some(limit) = limit else {
        return finished(caught(future).await);
    };
    match tokio::time::timeout(limit, caught(future)).await {
        Ok(ended) => finished(ended),
        Err(_) => Attempted::TimedOut { after: limit },
    }
}

fn finished<T, E>(ended: Result<Result<T, E>, String>) -> Attempted<T, E> {
    match ended {
        Ok(Ok(value)) => Attempted::Done(value),
        Ok(Err(error)) => Attempted::Refused(error),
        Err(message) => Attempted::Panicked { message },
    }
}

/// Polls `future`; a panic in it becomes an error with the panic's message.
#[inline]
async fn caught<F: Future>(future: F) -> Result<F::Output, String> {
    let mut future = pin!(future);
    std::future::poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(message(&*panic))),
        },
    )
    .await
}

/// The text of a panic, or of a panic that has none.
#[cold]
pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "a value that is no text".to_owned()
    }
}

/// One attempt of the step `S`.
#[inline]
pub(crate) async fn attempt_step<S: Step>(
    services: &S::Services,
    scope: &Scope<'_>,
    args: S::Args<'_>,
) -> Attempted<S::Output, S::Error> {
    let attempt = attempted(S::run(Context::new(services, scope), args), S::META.timeout);
    if telemetry::is_off() {
        return attempt.await;
    }
    // Boxed, so that a saga that nobody watches doesn't carry the room for the span.
    Box::pin(spanned(scope, Role::Action, attempt)).await
}

/// One attempt of a compensation or a resolver.
pub(crate) async fn attempt_undo<F>(
    scope: &Scope<'_>,
    undo: F,
    limit: Option<Duration>,
) -> Result<(), String>
where
    F: Future<Output = Result<(), String>>,
{
    let attempt = attempted(undo, limit);
    let ended = if telemetry::is_off() {
        attempt.await
    } else {
        spanned(scope, Role::Compensation, attempt).await
    };
    ended.into_result()
}

/// Runs `attempt` in a span that says which step of which saga it is, and how it ended.
async fn spanned<T, E: Display>(
    scope: &Scope<'_>,
    role: Role,
    attempt: impl Future<Output = Attempted<T, E>>,
) -> Attempted<T, E> {
    let span = telemetry::attempt_span(scope, role);
    let ended = attempt.instrument(span.clone()).await;
    span.record(telemetry::OUTCOME, ended.outcome());
    ended
}
