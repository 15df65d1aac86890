//! A saga that makes sense: made only by `check`.

use std::time::Duration;

use proc_macro2::Span;
use syn::{Attribute, Block, Ident, Pat, Signature, Type, Visibility};

use crate::runtime_path::RuntimePath;

/// A checked saga.
pub(super) struct Saga<'a> {
    pub(super) runtime: RuntimePath,
    /// Attributes of the struct.
    pub(super) attributes: Vec<&'a Attribute>,
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
    /// The body, its calls of steps handed to the run.
    pub(super) body: Block,
    pub(super) sites: Vec<Site>,
    pub(super) flow: Vec<Flow>,
}

/// What `#[saga(…)]` says.
pub(super) struct Options {
    /// The durable name.
    pub(super) name: String,
    pub(super) version: Option<u32>,
    pub(super) deadline: Option<Duration>,
    pub(super) halts: bool,
    pub(super) parallel: bool,
}

/// One parameter after the context: a field of the struct.
pub(super) struct Input<'a> {
    pub(super) attributes: &'a [Attribute],
    /// How the body binds it: with `mut`, if it is written.
    pub(super) pattern: &'a Pat,
    pub(super) name: &'a Ident,
    pub(super) ty: &'a Type,
}

/// One call of a step in the body.
pub(super) struct Site {
    /// The path that is called, as it is written.
    pub(super) path: String,
    pub(super) span: Span,
}

/// What the body does, as far as order and shape care.
#[derive(Clone)]
pub(super) enum Flow {
    /// Calls the step of a site.
    Step(usize),
    /// May fail by itself.
    MayFail(Span),
    /// Takes one of several ways.
    Branch(Vec<Way>),
    /// Returns.
    Return,
}

/// One way through a branch.
#[derive(Clone)]
pub(super) struct Way {
    /// When it is taken, in the words of the source.
    pub(super) when: String,
    pub(super) flow: Vec<Flow>,
}
