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

/// A body whose calls are handed to the run.
pub(super) struct Body {
    pub(super) block: Block,
    pub(super) sites: Vec<Site>,
    pub(super) flow: Vec<Flow>,
    /// Whether a step can be called more than once.
    pub(super) repeats: bool,
}

/// One call of a step in the body.
pub(super) struct Site {
    /// The path that is called, as it is written.
    pub(super) path: String,
    pub(super) span: Span,
    pub(super) refusal: Refusal,
    /// What is waited for, in the words of the source, if it looks like a wait.
    pub(super) wait: Option<String>,
}

/// What happens with the refusal of a step that is awaited.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// `?`, or the result of the saga.
    Ends,
    /// The body looks at it.
    IsHandled,
}

/// What the body does, as far as order and shape care.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Flow {
    /// Calls the step of a site.
    Step(usize),
    /// Calls the steps of these sites at the same time.
    Group(Vec<usize>),
    /// Calls the step of a site for each of many items.
    FanOut(FanOut),
    /// May fail by itself.
    MayFail(Place),
    /// Takes one of several ways.
    Branch(Vec<Way>),
    /// Does this any number of times.
    Loop(Loop),
    /// A block that can be left by a [`Leave`](Self::Leave).
    Block { id: usize, flow: Vec<Flow> },
    /// Goes to the end of a block or a loop that it is in, or to the next round of a loop.
    Leave(usize),
    /// Returns.
    Return,
}

impl Flow {
    /// Whether a step is called in it.
    pub(super) fn has_steps(&self) -> bool {
        let any = |flow: &[Self]| flow.iter().any(Self::has_steps);
        match self {
            Self::Step(_) | Self::Group(_) | Self::FanOut(_) => true,
            Self::MayFail(_) | Self::Leave(_) | Self::Return => false,
            Self::Branch(ways) => ways.iter().any(|way| any(&way.guard) || any(&way.flow)),
            Self::Loop(each) => any(&each.flow),
            Self::Block { flow, .. } => any(flow),
        }
    }

    /// The first place where it may fail by itself.
    pub(super) fn may_fail(&self) -> Option<Place> {
        let any = |flow: &[Self]| flow.iter().find_map(Self::may_fail);
        match self {
            Self::MayFail(place) => Some(*place),
            Self::Step(_) | Self::Group(_) | Self::FanOut(_) | Self::Leave(_) | Self::Return => {
                None
            }
            Self::Branch(ways) => {
                let mut ways = ways.iter();
                ways.find_map(|way| any(&way.guard).or_else(|| any(&way.flow)))
            }
            Self::Loop(each) => any(&each.flow),
            Self::Block { flow, .. } => any(flow),
        }
    }
}

/// What is done for each of many items.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FanOut {
    pub(super) site: usize,
    /// The items, in the words of the source.
    pub(super) items: String,
    /// How many at the same time, in the words of the source.
    pub(super) limit: String,
}

/// What is done any number of times.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Loop {
    /// How often, in the words of the source.
    pub(super) of: String,
    pub(super) flow: Vec<Flow>,
    /// What [`Leave`](Flow::Leave) calls its end.
    pub(super) end: usize,
    /// What [`Leave`](Flow::Leave) calls the beginning of its next round.
    pub(super) again: usize,
    /// Whether it ends by itself before a round, as a `for` does.
    pub(super) ends_itself: bool,
}

/// One way through a branch.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Way {
    /// When it is taken, in the words of the source.
    pub(super) when: String,
    /// What is done to find out if it is taken: the ways after it may come after that.
    pub(super) guard: Vec<Flow>,
    pub(super) flow: Vec<Flow>,
    /// It is only taken if the step of this site, which was called last, has refused.
    pub(super) refused: Option<usize>,
}

/// A place in the source. For the meaning of a body it makes no difference where it is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place(pub(super) Span);

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
