//! What the body of a saga can call: steps, and other sagas.

use crate::language::{KindOf, Step};
use crate::meta::StepMeta;
use crate::shape::Node;

/// A part of a saga: a step, or another saga.
pub trait Part: Sized + 'static {
    /// Its name and its policies. A saga has no policies.
    const PART: StepMeta;

    /// How it is undone. What a saga counts as, `#[saga(…)]` says: a pivot, if it says nothing.
    type Kind: KindOf;

    /// What the shape shows of it.
    fn node() -> Node;
}

#[diagnostic::do_not_recommend]
impl<S: Step> Part for S {
    const PART: StepMeta = S::META;

    type Kind = S::Kind;

    fn node() -> Node {
        Node::Step(S::META)
    }
}
