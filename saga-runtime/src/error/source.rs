//! The source of a saga's error: the error of its body, if that is an [`Error`] or holds one.
//!
//! A saga's error may be any type with a text. Generated code knows the type, and finds the trait that fits it.

use std::error::Error;
use std::ops::Deref;

/// Finds the source in an error of a saga.
pub(crate) type FindSource<E> = fn(&E) -> Option<&(dyn Error + 'static)>;

/// The error of a saga, by reference.
#[derive(Debug)]
pub struct SourceOf<'a, E>(pub &'a E);

/// An error that is an [`Error`].
pub trait IsError<'a> {
    /// The error itself.
    fn source(&self) -> Option<&'a (dyn Error + 'static)>;
}

impl<'a, E: Error + 'static> IsError<'a> for &SourceOf<'a, E> {
    fn source(&self) -> Option<&'a (dyn Error + 'static)> {
        Some(self.0)
    }
}

/// An error that holds an [`Error`], as `Box<dyn Error + Send>` and `anyhow::Error` do. Found after [`IsError`].
pub trait HoldsError<'a> {
    /// The error inside.
    fn source(&self) -> Option<&'a (dyn Error + 'static)>;
}

impl<'a, E: Deref<Target: AnyError>> HoldsError<'a> for &&SourceOf<'a, E> {
    fn source(&self) -> Option<&'a (dyn Error + 'static)> {
        Some((**self.0).as_error())
    }
}

/// An error that is only a text. Found last.
pub trait IsText<'a> {
    /// No error.
    fn source(&self) -> Option<&'a (dyn Error + 'static)>;
}

impl<'a, E> IsText<'a> for SourceOf<'a, E> {
    fn source(&self) -> Option<&'a (dyn Error + 'static)> {
        None
    }
}

/// `dyn Error`, also with `Send` and `Sync`.
pub trait AnyError {
    /// The error.
    fn as_error(&self) -> &(dyn Error + 'static);
}

impl AnyError for dyn Error {
    fn as_error(&self) -> &(dyn Error + 'static) {
        self
    }
}

impl AnyError for dyn Error + Send {
    fn as_error(&self) -> &(dyn Error + 'static) {
        self
    }
}

impl AnyError for dyn Error + Send + Sync {
    fn as_error(&self) -> &(dyn Error + 'static) {
        self
    }
}
