//! The body of a saga on its way forward, seen from outside.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{self, Poll};

use pin_project_lite::pin_project;
use tracing::Span;

use crate::panic::{caught, drop_caught, poll_caught};
use crate::place::Instance;
use crate::run::{Engine, Run};
use crate::telemetry;

/// The watch over a saga's body: it knows if a step has stopped the saga, and owns the span of the saga.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) stopped: AtomicBool,
    pub(super) span: Option<Arc<Span>>,
}

impl Watch {
    /// Starts to watch a saga. With an instance, the saga gets its own span.
    #[inline]
    pub(super) fn new(saga: Option<&Instance>) -> Self {
        let span = match saga {
            Some(instance) if !telemetry::is_off() => {
                Some(Arc::new(telemetry::saga_span(instance)))
            }
            _ => None,
        };
        Self {
            stopped: AtomicBool::new(false),
            span,
        }
    }

    /// Runs a function inside of the saga's span.
    #[inline]
    pub(super) fn inside<T>(&self, function: impl FnOnce() -> T) -> T {
        match &self.span {
            None => function(),
            Some(span) => span.in_scope(function),
        }
    }
}

pin_project! {
    /// The body of a saga on its way forward: see [`Run::forward`](super::Run::forward).
    #[derive(Debug)]
    pub struct Forwarding<'a, 'lane, 'run, F, E: Engine> {
        run: &'a Run<'lane, 'run, E>,
        #[pin]
        body: Option<F>,
    }
}

impl<'a, 'lane, 'run, F, E: Engine> Forwarding<'a, 'lane, 'run, F, E> {
    /// Polls the body until it returns, panics, or a step ends the saga.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn new(run: &'a Run<'lane, 'run, E>, body: F) -> Self {
        let body = Some(body);
        Self { run, body }
    }
}

impl<F, T, X, E> Future for Forwarding<'_, '_, '_, F, E>
where
    F: Future<Output = Result<T, X>>,
    E: Engine,
{
    type Output = Forward<F::Output>;

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let run = *this.run;
        let _entered = run.watch.span.as_ref().map(|span| span.enter());
        let Some(body) = this.body.as_mut().as_pin_mut() else {
            return Poll::Pending;
        };
        match poll_caught(body, cx) {
            Poll::Ready(Ok(Ok(output))) if run.is_stopped_at_end() => {
                drop_caught(output);
                Poll::Ready(Forward::Stopped)
            }
            Poll::Ready(Ok(returned)) => Poll::Ready(Forward::Returned(returned)),
            Poll::Pending if run.watch.stopped.load(Ordering::Relaxed) => {
                // A panic of its destructors has no effect: the saga has failed for another reason.
                let _ = caught(|| this.body.set(None));
                Poll::Ready(Forward::Stopped)
            }
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(message)) => Poll::Ready(Forward::Panicked(message)),
        }
    }
}

/// The end of the body of a saga.
#[derive(Debug)]
pub enum Forward<R> {
    /// It returned.
    Returned(R),
    /// It panicked.
    Panicked(String),
    /// A step ended the saga; the body was dropped where it was.
    Stopped,
}
