//! Signatures of steps and sagas: the context first, a `Result` at the end.

use crate::context::Context;

/// The services of a [`Context`], whatever name it goes by.
#[diagnostic::on_unimplemented(
    message = "the first parameter is the `Context` with the saga's services, not `{Self}`",
    label = "not a `Context`",
    note = "write `cx: Context<'_, Services>` first, then the inputs"
)]
pub trait IsContext {
    /// The services.
    type Services: ?Sized + Sync + 'static;
}

#[diagnostic::do_not_recommend]
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

#[diagnostic::do_not_recommend]
impl<T, E> IsResult for Result<T, E> {
    type Output = T;
    type Error = E;
}
