//! One attempt of a step or a compensation: limited in time, with its panic caught and its span closed with an outcome.

use std::convert::Infallible;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{self, Poll};
use std::time::Duration;

use tracing::Instrument;

use crate::error::Cause;
use crate::panic::message;
use crate::place::Place;
use crate::telemetry;

/// The end of one attempt. After `Err` nothing has happened; after a panic or a timeout something may have.
#[derive(Debug)]
pub enum AttemptResult<T, E> {
    /// `Ok(output)`.
    Done(T),
    /// `Err(error)`.
    Refused(E),
    /// It took longer than its limit.
    TimedOut {
        /// The limit.
        after: Duration,
    },
    /// It panicked.
    Panicked {
        /// The panic's text.
        message: String,
    },
}

impl<T, E: Display> AttemptResult<T, E> {
    /// The value, or the text of the failure.
    pub(crate) fn into_result(self) -> Result<T, String> {
        match self {
            Self::Done(value) => Ok(value),
            Self::Refused(error) => Err(error.to_string()),
            Self::TimedOut { after } => Err(Cause::<Infallible>::TimedOut { after }.to_string()),
            Self::Panicked { message } => {
                Err(Cause::<Infallible>::Panicked { message }.to_string())
            }
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
async fn attempted<F, T, E>(future: F, limit: Option<Duration>) -> AttemptResult<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let Some(limit) = limit else {
        return caught(pin!(future)).await;
    };
    match tokio::time::timeout(limit, caught(pin!(future))).await {
        Ok(ended) => ended,
        Err(_) => AttemptResult::TimedOut { after: limit },
    }
}

/// A future whose panic becomes an outcome.
#[derive(Debug)]
#[must_use]
pub(crate) struct Caught<'f, F>(Pin<&'f mut F>);

/// Polls `future` to its end; a panic in it becomes an outcome.
#[inline]
pub(crate) fn caught<F>(future: Pin<&mut F>) -> Caught<'_, F> {
    Caught(future)
}

impl<F, T, E> Future for Caught<'_, F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = AttemptResult<T, E>;

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        poll_caught(self.0.as_mut(), cx)
    }
}

/// Polls `future` once; a panic in it becomes an outcome.
#[cfg_attr(not(debug_assertions), inline(always))]
pub(crate) fn poll_caught<F, T, E>(
    future: Pin<&mut F>,
    cx: &mut task::Context<'_>,
) -> Poll<AttemptResult<T, E>>
where
    F: Future<Output = Result<T, E>> + ?Sized,
{
    match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(Ok(value))) => Poll::Ready(AttemptResult::Done(value)),
        Ok(Poll::Ready(Err(error))) => Poll::Ready(AttemptResult::Refused(error)),
        Err(panic) => Poll::Ready(AttemptResult::Panicked {
            message: message(&*panic),
        }),
    }
}

/// One attempt, at most as long as `limit`, in a span if there is a subscriber.
pub(crate) async fn attempt<T, E: Display>(
    place: &dyn Place,
    future: impl Future<Output = Result<T, E>>,
    limit: Option<Duration>,
) -> AttemptResult<T, E> {
    let attempt = attempted(future, limit);
    if telemetry::is_off() {
        return attempt.await;
    }
    spanned(place, attempt).await
}

/// Runs `attempt` in a span that names the step and the saga, and records its outcome in the span.
async fn spanned<T, E: Display>(
    place: &dyn Place,
    attempt: impl Future<Output = AttemptResult<T, E>>,
) -> AttemptResult<T, E> {
    let span = telemetry::attempt_span(place);
    let ended = attempt.instrument(span.clone()).await;
    span.record(telemetry::OUTCOME, ended.outcome());
    ended
}
