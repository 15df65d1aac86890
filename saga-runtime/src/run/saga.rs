//! The trait of sagas: a name, an input, and a driver that runs on any engine. Implemented by `saga!`.

use std::error::Error;
use std::fmt::Display;

use crate::error::SagaError;
use crate::language::{ErrorRecord, Payload};
use crate::meta::SagaMeta;
use crate::place::Frame;
use crate::run::{Engine, Input, Plan, Start};
use crate::shape::Shape;

/// A saga with its input: the struct that [`saga!`](crate::saga!) makes of an `async fn`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a saga",
    label = "not a saga with its input",
    note = "a saga is the struct that `saga!` makes of a function, by value: `PlaceOrder {{ request }}`"
)]
pub trait Saga: Sized + Send + 'static {
    /// Its durable name and its options.
    const META: SagaMeta;

    /// The services that its steps need besides their inputs.
    type Services: ?Sized + Sync + 'static;

    /// Its output.
    type Output: Payload + Send + 'static;

    /// Its error.
    type Error: Display + Send + 'static;

    /// The [`Error`] in an error of this saga, if there is one.
    #[doc(hidden)]
    #[must_use]
    fn source_of(error: &Self::Error) -> Option<&(dyn Error + 'static)> {
        let _ = error;
        None
    }

    /// Its steps and branches, without running anything.
    #[must_use]
    fn shape() -> Shape;

    /// The driver.
    ///
    /// One function makes both the shape and the future, so that the compiler infers the types of the steps once.
    #[doc(hidden)]
    fn driver<'lane, 'run: 'lane, E: Engine + 'run, I: Input<'lane, 'run, Self, E>>(
        input: I,
    ) -> Plan<impl FnOnce() -> Shape, impl Future<Output = I::End> + Send>;

    /// The form in which its error is recorded.
    #[doc(hidden)]
    #[must_use]
    fn error_record() -> ErrorRecord<Self::Error> {
        ErrorRecord::Text
    }

    /// Compares two inputs, if the saga derives `PartialEq`.
    #[doc(hidden)]
    #[must_use]
    fn equality() -> Option<fn(&Self, &Self) -> bool> {
        None
    }

    /// Runs it on `engine` until it has completed or failed, or the engine suspends it.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn drive<'run, E: Engine + 'run>(
        self,
        services: &'run Self::Services,
        engine: &'run E,
    ) -> impl Future<Output = E::End<Self>> + Send {
        let start = Start {
            saga: self,
            services,
            engine,
            lane: Frame::whole(const { Self::META.undo_rules() }),
        };
        Self::driver::<E, _>(start).future
    }
}

/// The end of a saga on an engine.
#[derive(Debug)]
#[must_use]
pub enum SagaEnd<G: Saga, X> {
    /// Every step has an outcome, and this is the result.
    Completed(G::Output),
    /// It failed. The done steps are compensated, or the error names each step that is not.
    Failed(SagaError<G::Error>),
    /// The engine has suspended it before its end.
    Suspended(X),
}
