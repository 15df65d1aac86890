//! One attempt of a step or a compensation: limited in time, with its panic caught and its span closed with an outcome.

use std::fmt::Display;
use std::pin::pin;
use std::time::Duration;

use tracing::Instrument;

use crate::error::{Cause, Reason};
use crate::panic::{contain, drop_caught, text};
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

impl<T, E> AttemptResult<T, E> {
    #[inline]
    fn from_caught(ended: Result<Result<T, E>, String>) -> Self {
        match ended {
            Ok(Ok(value)) => Self::Done(value),
            Ok(Err(error)) => Self::Refused(error),
            Err(message) => Self::Panicked { message },
        }
    }
}

impl<T, E: Display> AttemptResult<T, E> {
    /// The value, or the text of the failure.
    pub(crate) fn into_result(self) -> Result<T, String> {
        match self {
            Self::Done(value) => Ok(value),
            Self::Refused(error) => {
                let message = text(&error);
                drop_caught(error);
                Err(message)
            }
            Self::TimedOut { after } => Err(Reason::from(&Cause::TimedOut { after }).message),
            Self::Panicked { message } => Err(Reason::from(&Cause::Panicked { message }).message),
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

/// Polls `future` until it ends, panics or has taken longer than `limit`. A future that panics when it is dropped in the
/// middle has panicked.
#[inline]
async fn attempted<F, T, E>(future: F, limit: Option<Duration>) -> AttemptResult<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let Some(limit) = limit else {
        return caught(future).await;
    };
    let mut attempt = pin!(contain(future));
    let Ok(ended) = tokio::time::timeout(limit, attempt.as_mut()).await else {
        return match attempt.discard() {
            None => AttemptResult::TimedOut { after: limit },
            Some(message) => AttemptResult::Panicked { message },
        };
    };
    AttemptResult::from_caught(ended)
}

/// Runs `future` to its end. A panic in it becomes an outcome.
#[inline]
pub(crate) async fn caught<F, T, E>(future: F) -> AttemptResult<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    AttemptResult::from_caught(contain(future).await)
}

/// One attempt, at most as long as `limit`, in a span if there is a subscriber.
pub(crate) async fn attempt<T, E: Display>(
    place: &dyn Place,
    future: impl Future<Output = Result<T, E>>,
    limit: Option<Duration>,
) -> AttemptResult<T, E> {
    place.instance().begin_attempt(place);
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
