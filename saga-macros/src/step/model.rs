//! A step without mistakes. Only `check` makes one.

use std::time::Duration;

use proc_macro2::Group;
use syn::{Attribute, Ident, Path, Signature, Type, Visibility};

use crate::runtime_path::RuntimePath;

/// A checked step.
pub(super) struct Step<'a> {
    pub(super) runtime: RuntimePath,
    /// Attributes of the function that sagas call: documentation, deprecation.
    pub(super) outer: Vec<&'a Attribute>,
    /// Attributes of the function that runs.
    pub(super) inner: Vec<&'a Attribute>,
    /// `#[cfg(…)]`, for each generated item.
    pub(super) conditions: Vec<&'a Attribute>,
    pub(super) visibility: &'a Visibility,
    pub(super) signature: Signature,
    pub(super) body: &'a Group,
    /// The durable name.
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) context: Type,
    pub(super) inputs: Vec<Input>,
    pub(super) returned: &'a Type,
    pub(super) policies: Policies,
}

/// One parameter after the context, with the lifetimes of the source.
pub(super) struct Input {
    /// The name that callers see in the signature.
    pub(super) name: Ident,
    pub(super) ty: Type,
}

/// The way to undo a step.
pub(super) enum Kind {
    Compensatable(Path),
    NothingToUndo,
    Pivot,
    Retriable,
}

/// The options besides the kind.
#[derive(Default)]
pub(super) struct Policies {
    pub(super) timeout: Option<Duration>,
    pub(super) retry: Option<Retry>,
    pub(super) transient: Option<Path>,
    pub(super) in_doubt: Option<Path>,
    pub(super) resolver: Option<Path>,
    pub(super) in_doubt_retry: Option<Retry>,
    pub(super) compensation_timeout: Option<Duration>,
    pub(super) compensation_retry: Option<Retry>,
}

/// `retry(…)` without its predicate.
#[derive(Clone, Copy)]
pub(super) struct Retry {
    /// `None`: the default of the kind.
    pub(super) attempts: Option<u32>,
    pub(super) backoff: Option<(Duration, Duration)>,
    pub(super) give_up_after: Option<Duration>,
}
