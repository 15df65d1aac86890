//! Rules for the signatures of steps and sagas: the context comes first, a `Result` is returned, and a closure tests errors.

use crate::place::Context;

/// Implemented by [`Context`], also under another name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the context of a saga",
    label = "not a `Context`",
    note = "the first parameter is `cx: Context<'_, Services>`, then come the inputs"
)]
pub trait IsContext {
    /// The services.
    type Services: ?Sized;
}

// Without a bound on `S`: rustc would report it wherever the services are named, and `Step` and `Saga` have it.
#[diagnostic::do_not_recommend]
impl<S: ?Sized> IsContext for Context<'_, S> {
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

/// Tests an error. Gives the closure of `when = |error| …` its types.
#[inline]
pub fn holds<E>(test: impl FnOnce(&E) -> bool, error: &E) -> bool {
    test(error)
}
