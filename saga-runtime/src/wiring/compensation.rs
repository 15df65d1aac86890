//! What undoes a step: compensations and resolvers.

use std::fmt::Display;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{self, Poll};

use crate::context::Context;

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
        self.poll(cx)
            .map(|undone| undone.map_err(|error| error.to_string()))
    }
}

/// Runs a resolver.
///
/// # Errors
/// The resolver's error as text.
#[inline]
pub async fn resolving(resolver: impl IsCompensation + Send) -> Result<(), String> {
    let mut resolver = pin!(resolver);
    poll_fn(|cx| resolver.as_mut().poll_undone(cx)).await
}

/// Runs a compensation.
///
/// # Errors
/// The compensation's error as text.
// The compensation comes first and `T` is what it takes: then a `&String` goes where a `&str` is taken.
#[inline]
pub async fn undoing<'cx, 'a, S, T, C>(
    compensation: impl FnOnce(Context<'cx, S>, &'a T) -> C,
    cx: Context<'cx, S>,
    output: &'a T,
) -> Result<(), String>
where
    S: ?Sized,
    T: ?Sized,
    C: IsCompensation + Send,
{
    resolving(compensation(cx, output)).await
}
