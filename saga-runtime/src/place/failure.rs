//! The failure of a saga, as its compensations see it.

use std::borrow::Cow;
use std::fmt;

use crate::call_name;
use crate::escaped::Escaped;

/// The failure for which a saga is compensated. [`Context::failure`](crate::Context::failure) returns it.
///
/// It is the same on every engine and after a restart, so it is text and not the error itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    call: Option<Cow<'static, str>>,
    message: String,
}

impl Failure {
    pub(crate) fn new(call: Option<Cow<'static, str>>, message: String) -> Self {
        Self { call, message }
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
