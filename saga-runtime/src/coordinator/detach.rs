//! Runs a future to completion even if its caller is dropped. Otherwise a claim could be taken and never used.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

use crate::attempts::BoxFuture;
use crate::coordinator::Shared;
use crate::coordinator::tasks::Tasks;

/// A future that moves to a task of its own if it is dropped before it is ready.
pub(super) struct Detached<T: Send + 'static> {
    future: Option<BoxFuture<'static, T>>,
    tasks: Tasks,
    runtime: Handle,
}

impl<T: Send + 'static> fmt::Debug for Detached<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Detached").finish_non_exhaustive()
    }
}

impl<S: ?Sized + Send + Sync + 'static> Shared<S> {
    /// Runs the future to completion, also if the caller drops the returned one.
    pub(super) fn detached<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Detached<T> {
        Detached {
            future: Some(Box::pin(future)),
            tasks: self.tasks.clone(),
            runtime: self.runtime.clone(),
        }
    }
}

impl<T: Send + 'static> Future for Detached<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Some(future) = &mut self.future else {
            unreachable!("a future is not polled after it was ready");
        };
        let polled = future.as_mut().poll(cx);
        if polled.is_ready() {
            self.future = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Detached<T> {
    fn drop(&mut self) {
        if let Some(future) = self.future.take() {
            let rest = async move { drop(future.await) };
            self.tasks.spawn_on(rest, &self.runtime);
        }
    }
}
