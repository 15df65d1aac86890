//! The failure of a saga, as its compensations see it.

use std::borrow::Cow;
use std::fmt;

use crate::call_name;
use crate::escaped::Escaped;

/// The code of a failure by an error.
const ERROR: &str = "error";

/// The failure for which a saga is compensated. [`Context::failure`](crate::Context::failure) returns it.
///
/// It is the same on every engine and after a restart, so it is text and not the error itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    call: Option<Cow<'static, str>>,
    code: Cow<'static, str>,
    message: String,
}

impl Failure {
    pub(crate) fn new(
        call: Option<Cow<'static, str>>,
        code: impl Into<Cow<'static, str>>,
        message: String,
    ) -> Self {
        let code = match code.into() {
            // After a restart, only the text of an error may be known.
            code if code == "recorded" => ERROR.into(),
            code => code,
        };
        Self {
            call,
            code,
            message,
        }
    }

    /// The failure of a call by its error.
    pub(crate) fn refused(call: Cow<'static, str>, message: String) -> Self {
        Self::new(Some(call), ERROR, message)
    }

    /// The same with another code.
    pub(crate) fn with_code(self, code: Cow<'static, str>) -> Self {
        Self { code, ..self }
    }

    /// The durable name of the step at which the saga failed, as in [`SagaError::step`](crate::SagaError::step). `None` if
    /// the body's own code failed, or if the saga was cancelled between two steps.
    #[must_use]
    pub fn step(&self) -> Option<&str> {
        self.call().map(|call| call_name::split(call).0)
    }

    /// The name of the call at which the saga failed, as in [`SagaError::call`](crate::SagaError::call).
    #[must_use]
    pub fn call(&self) -> Option<&str> {
        self.call.as_deref()
    }

    /// The kind of the cause, in a word, as in [`Cause::code`](crate::Cause::code): `error` if a step refused or the body
    /// returned an error; otherwise `timed_out`, `panicked`, `cancelled`, `deadline_exceeded`, …
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The text of the cause: of the error, of the panic, or `cancelled`.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.call {
            Some(call) => write!(f, "`{}` failed: {}", Escaped(call), Escaped(&self.message)),
            None => Escaped(&self.message).fmt(f),
        }
    }
}
