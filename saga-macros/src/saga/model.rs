//! A saga without mistakes. Only `check` makes one.

mod call;
mod flow;

use std::time::Duration;

use syn::{Attribute, Block, Expr, Ident, Pat, Signature, Type, Visibility};

use crate::runtime_path::RuntimePath;
use crate::source::KnownStep;
pub(super) use call::{First, Placeholder, Refusal, Results, Site};
pub(super) use flow::{FanOut, Flow, Line, Loop, Place, Way};

/// A checked saga.
pub(super) struct Saga<'a> {
    pub(super) runtime: RuntimePath,
    /// Attributes of the struct.
    pub(super) attributes: Vec<&'a Attribute>,
    /// `#[allow(…)]` and its like, for the body.
    pub(super) lints: Vec<&'a Attribute>,
    /// `#[cfg(…)]`, for each generated item.
    pub(super) conditions: Vec<&'a Attribute>,
    pub(super) visibility: &'a Visibility,
    pub(super) signature: &'a Signature,
    /// The name of the struct.
    pub(super) name: Ident,
    pub(super) options: Options,
    /// The pattern that binds the context in the body, and the type of the context.
    pub(super) cx: &'a Pat,
    pub(super) context: Type,
    pub(super) inputs: Vec<Input<'a>>,
    pub(super) returned: &'a Type,
    /// `None` if the body can't be compiled.
    pub(super) body: Option<Body>,
    /// The steps of the file, for the documentation.
    pub(super) known: Vec<KnownStep>,
}

/// The options in `#[saga(…)]`.
pub(super) struct Options {
    /// The durable name.
    pub(super) name: String,
    pub(super) version: Option<u32>,
    /// The policies of steps that say nothing.
    pub(super) policy: Option<Expr>,
    pub(super) deadline: Option<Duration>,
    pub(super) halts: bool,
    pub(super) parallel: bool,
    pub(super) counts_as: CountsAs,
}

/// The kind of the saga as a step of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CountsAs {
    Compensatable,
    Pivot,
    Retriable,
}

/// One parameter after the context: a field of the struct.
pub(super) struct Input<'a> {
    pub(super) attributes: &'a [Attribute],
    /// The pattern that binds it in the body, perhaps with `mut`.
    pub(super) pattern: &'a Pat,
    pub(super) name: &'a Ident,
    pub(super) ty: &'a Type,
}

impl Body {
    /// Returns whether the body handles the failure of a group with these sites.
    pub(super) fn handles(&self, group: &[usize]) -> bool {
        let mut sites = group.iter().map(|site| &self.sites[*site]);
        sites.any(|site| site.refusal == Refusal::IsHandled)
    }
}

/// A checked body. Placeholders stand in it for the calls, where `expand` writes code.
pub(super) struct Body {
    pub(super) block: Block,
    /// The source that each placeholder in the block stands for, by its number.
    pub(super) placeholders: Vec<Placeholder>,
    pub(super) sites: Vec<Site>,
    pub(super) flow: Vec<Flow>,
    /// The ways through the flow, for the order rule.
    pub(super) lines: Vec<Line>,
    /// Set if a step can be called more than once.
    pub(super) repeats: bool,
    /// The first mistake with a placeholder. All placeholders of mistakes stand for it.
    pub(super) mistake: Option<syn::Error>,
}
