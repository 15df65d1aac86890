//! The callees of a saga's body: steps, sub-sagas and waits.

use crate::language::{KindOf, Step};
use crate::meta::StepMeta;
use crate::shape::Node;

/// A callee of a saga's body: a step, a sub-saga or a wait.
pub trait Callee: Sized + 'static {
    /// The durable name and the policies. Sub-sagas and waits have no policies.
    const CALLEE: StepMeta;

    /// The kind. `#[saga(…)]` sets that of a sub-saga; the default is a pivot.
    type Kind: KindOf;

    /// The node of the callee in a shape.
    fn node() -> Node;
}

#[diagnostic::do_not_recommend]
impl<S: Step> Callee for S {
    const CALLEE: StepMeta = S::META;

    type Kind = S::Kind;

    fn node() -> Node {
        Node::Step(S::META)
    }
}
