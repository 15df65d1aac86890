//! What the compiler has to agree to for a step to be a step and a call to be a call: one trait for each rule, whose
//! name and text are the message that a user reads.

use crate::context::Context;
use crate::step::{Call, Step};

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

/// What a compensation or a resolver returns.
#[diagnostic::on_unimplemented(
    message = "a compensation is an `async fn` that returns `Result<(), Error>`, not `{Self}`",
    label = "not an `async fn` that returns `Result<(), Error>`",
    note = "write `async fn …(cx: Context<'_, Services>, output: &Output) -> Result<(), Error>`"
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

/// What can be awaited in the body of a saga.
#[diagnostic::on_unimplemented(
    message = "only steps can be awaited in a saga",
    label = "this is not a step",
    note = "put `#[step(…)]` on the function that is called here, so that the saga knows how it is undone",
    note = "sagas inside of sagas, `sleep` and `event` are not supported yet"
)]
pub trait StepCall<C> {
    /// The call of a step that is awaited.
    fn of(self) -> C;
}

#[diagnostic::do_not_recommend]
impl<'run, 'a, S: Step> StepCall<Call<'run, 'a, S>> for Call<'run, 'a, S> {
    #[inline]
    fn of(self) -> Self {
        self
    }
}

/// The error of a step whose refusal the body handles: a replay has to take the same branch, so it is recorded whole.
#[diagnostic::on_unimplemented(
    message = "the error `{Self}` is handled by the saga, so it has to be `Serialize + Deserialize`",
    label = "the saga handles this step's error",
    note = "the error is recorded whole, so that a replay takes the same branch",
    note = "put `#[derive(serde::Serialize, serde::Deserialize)]` on `{Self}`, or end the saga with `?`"
)]
pub trait RecordedError: Sized {
    /// The call of a step whose refusal is handled.
    #[inline]
    #[must_use]
    fn of<'run, 'a, S: Step<Error = Self>>(call: Call<'run, 'a, S>) -> Call<'run, 'a, S> {
        call
    }
}

#[diagnostic::do_not_recommend]
impl<E: serde::Serialize + serde::de::DeserializeOwned> RecordedError for E {}

/// What stands before a `?` in the body of a saga and takes the context, as a step does.
#[diagnostic::on_unimplemented(
    message = "a `?` takes a `Result`, but this is `{Self}`",
    label = "if this is the call of a step, it has not run yet",
    note = "a step runs when it is awaited: `charge(cx, &order).await?`"
)]
pub trait Outcome<T, E> {
    /// The same value.
    ///
    /// # Errors
    /// If it is one.
    fn of(self) -> Result<T, E>;
}

#[diagnostic::do_not_recommend]
impl<T, E> Outcome<T, E> for Result<T, E> {
    #[inline]
    fn of(self) -> Self {
        self
    }
}
