//! What is brought to an end once it has begun, also if nobody waits for it any more: a claim of which nobody hears would
//! hold a saga that nobody runs.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use crate::attempts::BoxFuture;
use crate::coordinator::Shared;

/// A future that goes on in a task of its own when it is dropped before its end.
pub(super) struct Begun<T: Send + 'static> {
    future: Option<BoxFuture<'static, T>>,
    tasks: TaskTracker,
    runtime: Handle,
}

impl<T: Send + 'static> fmt::Debug for Begun<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Begun").finish_non_exhaustive()
    }
}

impl<S: ?Sized + Send + Sync + 'static> Shared<S> {
    /// Does this to its end, whoever waits for it.
    pub(super) fn begin<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Begun<T> {
        Begun {
            future: Some(Box::pin(future)),
            tasks: self.tasks.clone(),
            runtime: self.runtime.clone(),
        }
    }
}

impl<T: Send + 'static> Future for Begun<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Some(future) = &mut self.future else {
            unreachable!("nobody polls what has ended");
        };
        let polled = future.as_mut().poll(cx);
        if polled.is_ready() {
            self.future = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Begun<T> {
    fn drop(&mut self) {
        if let Some(future) = self.future.take() {
            let rest = async move { drop(future.await) };
            self.tasks.spawn_on(rest, &self.runtime);
        }
    }
}
