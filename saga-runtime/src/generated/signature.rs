//! Rules for the signatures of steps and sagas: the context comes first, and a `Result` is returned.

use crate::place::Context;

/// Implemented by [`Context`], also under another name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the context of a saga",
    label = "not a `Context` with services that can be shared",
    note = "the first parameter is `cx: Context<'_, Services>`, then come the inputs",
    note = "the services are shared by everything that runs at the same time, so they are `Sync + 'static`: a field that changes is a `Mutex` or an atomic, not a `Cell` or a `RefCell`, and what is shared is an `Arc`, not an `Rc`"
)]
pub trait IsContext {
    /// The services.
    type Services: ?Sized + Sync + 'static;
}

#[diagnostic::do_not_recommend]
impl<S: ?Sized + Sync + 'static> IsContext for Context<'_, S> {
    type Services = S;
}

/// Implemented by [`Result`], also under another name.
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
