//! Rules for compensations and resolvers, and the functions that run them.

use std::fmt::Display;
use std::pin::Pin;
use std::task::{self, Poll};

use pin_project_lite::pin_project;

use crate::panic::{drop_caught, text};
use crate::place::Context;

/// Implemented by the futures of compensations and resolvers.
#[diagnostic::on_unimplemented(
    message = "what undoes a step is an `async fn` that returns `Result<(), Error>`, not `{Self}`",
    label = "not an `async fn` that returns `Result<(), Error>`",
    note = "write `async fn …(cx: Context<'_, Services>, output: &Output) -> Result<(), Error>`",
    note = "the `Error` implements `Display`, so that it can be reported"
)]
pub trait IsCompensation {
    /// Polls the future. An error becomes text.
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
    /// A running compensation or resolver.
    // Neither the struct nor the functions that make it bound `C`: rustc then reports a wrong `C` once, where the step's
    // code needs a future, and not at the call as well.
    #[derive(Debug)]
    pub struct Compensating<C> {
        #[pin]
        compensation: C,
    }
}

impl<C: IsCompensation> Future for Compensating<C> {
    type Output = Result<(), String>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        self.project().compensation.poll_undone(cx)
    }
}

/// Runs a resolver. An error becomes text.
#[inline]
pub fn resolving<C>(compensation: C) -> Compensating<C> {
    Compensating { compensation }
}

/// Runs a compensation that is the resolver, too, so it takes the context alone. An error becomes text.
#[inline]
pub fn undoing_by_key<'cx, S, C>(
    compensation: impl FnOnce(Context<'cx, S>) -> C,
    cx: Context<'cx, S>,
) -> Compensating<C>
where
    S: ?Sized,
{
    resolving(compensation(cx))
}

/// Runs a compensation. An error becomes text.
// The compensation comes first, so that it determines `T`: then a `&String` coerces where it takes a `&str`.
#[inline]
pub fn undoing<'cx, 'a, S, T, C>(
    compensation: impl FnOnce(Context<'cx, S>, &'a T) -> C,
    cx: Context<'cx, S>,
    output: &'a T,
) -> Compensating<C>
where
    S: ?Sized,
    T: ?Sized,
{
    resolving(compensation(cx, output))
}
