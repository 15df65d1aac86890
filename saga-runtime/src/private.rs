//! What generated code calls. Nothing here is for people.

pub use std::string::String;
pub use std::vec::Vec;

pub use serde;

pub use crate::as_written;
pub use crate::kind::{Compensatable, NothingToUndo, Pivot, Retriable};
pub use crate::order::{Site, begin, join, left, may_fail, then};
pub use crate::run::{At, Called, Compensated, Entry, Plan, Run, Start, Undo, Watch, step_call};
pub use crate::shape::{arm, step as shape_of};

use crate::context::Context;
use crate::step::{Call, Step};

/// The call of a step.
#[inline]
pub fn call<'a, S: Step>(cx: Context<'a, S::Services>, args: S::Args<'a>) -> Call<'a, S> {
    Call::new(cx, args)
}

/// The services of a [`Context`], whatever name it goes by.
#[diagnostic::on_unimplemented(
    message = "the first parameter is the `Context` with the saga's services, not `{Self}`",
    label = "not a `Context`",
    note = "help: write `cx: Context<'_, Services>` first, then the inputs"
)]
pub trait IsContext {
    /// The services.
    type Services: ?Sized + Sync + 'static;
}

impl<S: ?Sized + Sync + 'static> IsContext for Context<'_, S> {
    type Services = S;
}

/// What a step or a saga returns, whatever name it goes by.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Result`",
    label = "a step or a saga returns `Result<Output, Error>`"
)]
pub trait IsResult {
    /// The output.
    type Output;
    /// The error.
    type Error;
}

impl<T, E> IsResult for Result<T, E> {
    type Output = T;
    type Error = E;
}

/// Gives a block its return type; never called.
#[must_use]
pub fn never<R>() -> R {
    unreachable!("generated code never calls this")
}

/// What a compensation or a resolver returns.
#[diagnostic::on_unimplemented(
    message = "a compensation is an `async fn` that returns `Result<(), Error>`, not `{Self}`",
    label = "not an `async fn` that returns `Result<(), Error>`",
    note = "help: write `async fn …(cx: Context<'_, Services>, output: &Output) -> Result<(), Error>`"
)]
pub trait IsCompensation {
    /// Runs it; the error as text.
    fn run(self) -> impl Future<Output = Result<(), String>> + Send;
}

#[diagnostic::do_not_recommend]
impl<F, E> IsCompensation for F
where
    F: Future<Output = Result<(), E>> + Send,
    E: std::fmt::Display,
{
    #[inline]
    async fn run(self) -> Result<(), String> {
        self.await.map_err(|error| error.to_string())
    }
}

/// Runs a compensation or a resolver; the error as text.
#[inline]
pub fn undoing(
    compensation: impl IsCompensation,
) -> impl Future<Output = Result<(), String>> + Send {
    compensation.run()
}

/// A saga that is called by name. It can't be awaited yet.
#[derive(Debug)]
#[must_use]
pub struct SubSaga<G>(G);

impl<G> SubSaga<G> {
    /// The saga with its input.
    pub fn new(saga: G) -> Self {
        Self(saga)
    }
}

/// The tokens as they are: for editors only.
#[doc(hidden)]
#[macro_export]
macro_rules! as_written {
    ($($tokens:tt)*) => { $($tokens)* };
}
