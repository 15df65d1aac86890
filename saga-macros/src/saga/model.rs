//! A saga that makes sense: made only by `check`.

mod call;
mod flow;

use std::time::Duration;

use syn::{Attribute, Block, Ident, Pat, Signature, Type, Visibility};

use crate::runtime_path::RuntimePath;
pub(super) use call::{First, Placeholder, Refusal, Results, Site};
pub(super) use flow::{FanOut, Flow, Line, Loop, Place, Way};

/// A checked saga.
pub(super) struct Saga<'a> {
    pub(super) runtime: RuntimePath,
    /// Attributes of the struct.
    pub(super) attributes: Vec<&'a Attribute>,
    /// `#[allow(…)]` and its like, for the body.
    pub(super) lints: Vec<&'a Attribute>,
    /// `#[cfg(…)]`, which stands on everything that is generated.
    pub(super) conditions: Vec<&'a Attribute>,
    pub(super) visibility: &'a Visibility,
    pub(super) signature: &'a Signature,
    /// The name of the struct.
    pub(super) name: Ident,
    pub(super) options: Options,
    /// The pattern that the body knows its context by, and the context's type.
    pub(super) cx: &'a Pat,
    pub(super) context: Type,
    pub(super) inputs: Vec<Input<'a>>,
    pub(super) returned: &'a Type,
    /// `None` if there is none that could be compiled.
    pub(super) body: Option<Body>,
}

/// What `#[saga(…)]` says.
pub(super) struct Options {
    /// The durable name.
    pub(super) name: String,
    pub(super) version: Option<u32>,
    pub(super) deadline: Option<Duration>,
    pub(super) halts: bool,
    pub(super) parallel: bool,
    pub(super) counts_as: CountsAs,
}

/// What a saga counts as where another one calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CountsAs {
    Compensatable,
    Pivot,
    Retriable,
}

/// One parameter after the context: a field of the struct.
pub(super) struct Input<'a> {
    pub(super) attributes: &'a [Attribute],
    /// How the body binds it: with `mut`, if it is written.
    pub(super) pattern: &'a Pat,
    pub(super) name: &'a Ident,
    pub(super) ty: &'a Type,
}

/// A checked body. Its calls are taken out: placeholders stand where `expand` writes code.
pub(super) struct Body {
    pub(super) block: Block,
    /// The source that each placeholder in the block stands for, by its number.
    pub(super) placeholders: Vec<Placeholder>,
    pub(super) sites: Vec<Site>,
    pub(super) flow: Vec<Flow>,
    /// The ways through the flow, for the order rule.
    pub(super) lines: Vec<Line>,
    /// Whether a step can be called more than once.
    pub(super) repeats: bool,
}
