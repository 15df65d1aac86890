//! What the compiler has to agree to for a step to be a step and a call to be a call: one trait for each rule, whose
//! name and text are the message that a user reads.

use std::fmt::Display;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{self, Poll};

use serde::de::DeserializeOwned;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

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

/// A saga that is called by its name in another one. It can't be awaited yet.
#[derive(Debug)]
#[must_use]
pub struct SubSaga<G>(G);

impl<G> SubSaga<G> {
    /// The saga with its input.
    pub fn new(saga: G) -> Self {
        Self(saga)
    }
}

/// One input of a saga: it is stored, so that the saga can go on after a crash.
// Called by the saga's implementations of serde's traits, so that a type without them is reported in these words.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the input of a saga",
    label = "not `Serialize + Deserialize`",
    note = "the input is stored, so that the saga can go on after a crash",
    note = "usually it is enough to put `#[derive(serde::Serialize, serde::Deserialize)]` on `{Self}`"
)]
pub trait SagaInput: Sized {
    /// Writes the value.
    ///
    /// # Errors
    /// Whatever the serializer reports.
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error>;

    /// Writes the value as a field of a struct.
    ///
    /// # Errors
    /// Whatever the serializer reports.
    fn serialize_field<Z: SerializeStruct>(
        &self,
        fields: &mut Z,
        name: &'static str,
    ) -> Result<(), Z::Error>;

    /// Reads a value that [`serialize`](Self::serialize) wrote.
    ///
    /// # Errors
    /// Whatever the deserializer reports.
    fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> SagaInput for T {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        Serialize::serialize(self, serializer)
    }

    fn serialize_field<Z: SerializeStruct>(
        &self,
        fields: &mut Z,
        name: &'static str,
    ) -> Result<(), Z::Error> {
        fields.serialize_field(name, self)
    }

    fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Deserialize::deserialize(deserializer)
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
    fn of<'run, 'a, S: Step<Error = Self>>(call: Call<'run, 'a, S>) -> Call<'run, 'a, S> {
        call
    }
}

#[diagnostic::do_not_recommend]
impl<E: Serialize + DeserializeOwned> RecordedError for E {}

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
