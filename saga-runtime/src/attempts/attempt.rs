//! One attempt of a step or a compensation: limited in time, with its panic caught and its span closed with an outcome.

use std::fmt::Display;
use std::pin::Pin;
use std::task::{self, Poll, ready};
use std::time::Duration;

use futures_util::future::Either;
use pin_project_lite::pin_project;
use tokio::task::coop::{Unconstrained, unconstrained};
use tokio::time::Sleep;
use tracing::Instrument;

use crate::error::{Cause, Reason};
use crate::panic::{Caught, contain, drop_caught, text};
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

pin_project! {
    /// An attempt that ends, panics or takes longer than its limit. A future that panics when it is dropped in the middle has panicked.
    // An `async fn` would hold the future twice, as an argument and as a variable.
    struct LimitedAttempt<F> {
        #[pin]
        future: Caught<F>,
        #[pin]
        limit: Option<TimeLimit>,
    }
}

pin_project! {
    /// The end of an attempt's time.
    struct TimeLimit {
        after: Duration,
        // A future that is always ready for more does not keep the time from being looked at.
        #[pin]
        over: Unconstrained<Sleep>,
    }
}

impl<F: Future> LimitedAttempt<F> {
    /// Begins the attempt. Its time begins now.
    #[inline]
    fn new(future: F, limit: Option<Duration>) -> Self {
        Self {
            future: contain(future),
            limit: limit.map(|after| TimeLimit {
                after,
                over: unconstrained(tokio::time::sleep(after)),
            }),
        }
    }
}

impl<F, T, E> Future for LimitedAttempt<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = AttemptResult<T, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Poll::Ready(ended) = this.future.as_mut().poll(cx) {
            return Poll::Ready(AttemptResult::from_caught(ended));
        }
        let Some(limit) = this.limit.as_pin_mut().map(TimeLimit::project) else {
            return Poll::Pending;
        };
        ready!(limit.over.poll(cx));
        Poll::Ready(match this.future.discard() {
            None => AttemptResult::TimedOut {
                after: *limit.after,
            },
            Some(message) => AttemptResult::Panicked { message },
        })
    }
}

/// Runs `future` to its end. A panic in it becomes an outcome.
#[inline]
pub(crate) async fn caught<F, T, E>(future: F) -> AttemptResult<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    AttemptResult::from_caught(contain(future).await)
}

/// Begins one attempt, at most as long as `limit`, in a span if there is a subscriber.
pub(crate) fn attempt<T, E: Display>(
    place: &dyn Place,
    future: impl Future<Output = Result<T, E>> + Send,
    limit: Option<Duration>,
) -> impl Future<Output = AttemptResult<T, E>> + Send {
    place.instance().begin_attempt(place);
    let attempt = LimitedAttempt::new(future, limit);
    if telemetry::is_off() {
        Either::Left(attempt)
    } else {
        // Boxed: an attempt without a span needs no room for one.
        Either::Right(Box::pin(spanned(place, attempt)))
    }
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
