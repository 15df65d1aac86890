//! A step without mistakes. Only `check` makes one.

use std::time::Duration;

use proc_macro2::Group;
use syn::{Attribute, Expr, ExprClosure, Ident, Path, Signature, Type, Visibility};

use crate::runtime_path::RuntimePath;

/// A checked step.
pub(super) struct Step<'a> {
    pub(super) runtime: RuntimePath,
    /// Attributes of the function that sagas call: documentation, deprecation.
    pub(super) outer: Vec<&'a Attribute>,
    /// The lints that the source allows or expects: they hold for the signature of the function that sagas call, too.
    pub(super) allowed: Vec<&'a Attribute>,
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
    /// The options of the policies as text, in the order of the source.
    pub(super) written: Vec<String>,
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

/// The function that undoes any effect under the key of the step.
pub(super) enum Resolver {
    Path(Path),
    /// The compensation. It takes the context alone, and undoes by key.
    Compensation,
}

/// The options besides the kind.
#[derive(Default)]
pub(super) struct Policies {
    /// The policy that the step shares with others. The other options override it.
    pub(super) shared: Option<Expr>,
    pub(super) timeout: Option<Time>,
    pub(super) retry: Option<Retry>,
    pub(super) transient: Option<Predicate>,
    pub(super) in_doubt: Option<Predicate>,
    pub(super) resolver: Option<Resolver>,
    pub(super) in_doubt_retry: Option<Retry>,
    pub(super) compensation_timeout: Option<Time>,
    pub(super) compensation_retry: Option<Retry>,
}

/// A duration: a literal, which the macro has read, or a constant, which rustc checks.
pub(super) enum Time {
    Literal(Duration),
    Constant(Expr),
}

/// A number of attempts.
pub(super) enum Attempts {
    Literal(u32),
    Constant(Expr),
}

/// A test of errors.
pub(super) enum Predicate {
    Path(Path),
    Closure(ExprClosure),
}

/// `retry(…)` without its predicate.
pub(super) struct Retry {
    /// `None`: the default of the kind.
    pub(super) attempts: Option<Attempts>,
    pub(super) backoff: Option<(Time, Time)>,
    pub(super) give_up_after: Option<Time>,
}
