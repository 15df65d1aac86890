//! What undoes a step: compensations and resolvers.

use std::fmt::Display;
use std::pin::Pin;
use std::task::{self, Poll};

use pin_project_lite::pin_project;

use crate::panic::{drop_caught, text};
use crate::place::Context;

/// What a compensation or a resolver returns.
#[diagnostic::on_unimplemented(
    message = "what undoes a step is an `async fn` that returns `Result<(), Error>`, not `{Self}`",
    label = "not an `async fn` that returns `Result<(), Error>`",
    note = "write `async fn …(cx: Context<'_, Services>, output: &Output) -> Result<(), Error>`",
    note = "the `Error` implements `Display`, so that it can be reported"
)]
pub trait IsCompensation {
    /// Polls it; the error as text.
    fn poll_undone(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Result<(), String>>;
}

#[diagnostic::do_not_recommend]
impl<F, E> IsCompensation for F
where
    F: Future<Output = Result<(), E>>,
    E: Display,
{
    #[inline]
    fn poll_undone(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Result<(), String>> {
        match self.poll(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
            Poll::Ready(Err(error)) => {
                let message = text(&error);
                drop_caught(error);
                Poll::Ready(Err(message))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

pin_project! {
    /// A compensation or a resolver that runs.
    struct Resolving<C> {
        #[pin]
        resolver: C,
    }
}

impl<C: IsCompensation> Future for Resolving<C> {
    type Output = Result<(), String>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        self.project().resolver.poll_undone(cx)
    }
}

/// Runs a resolver; its error as text.
#[inline]
pub fn resolving<C: IsCompensation + Send>(
    resolver: C,
) -> impl Future<Output = Result<(), String>> + Send {
    Resolving { resolver }
}

/// Runs a compensation; its error as text.
// The compensation comes first and `T` is what it takes: then a `&String` goes where a `&str` is taken.
#[inline]
pub fn undoing<'cx, 'a, S, T, C>(
    compensation: impl FnOnce(Context<'cx, S>, &'a T) -> C,
    cx: Context<'cx, S>,
    output: &'a T,
) -> impl Future<Output = Result<(), String>> + Send
where
    S: ?Sized,
    T: ?Sized,
    C: IsCompensation + Send,
{
    resolving(compensation(cx, output))
}
