//! The shape of a saga, as generated code builds it.

use std::cell::RefCell;

use crate::language::Part;
use crate::language::order::Site;
use crate::run::Saga;
use crate::shape::{Arm, CalledSaga, ForEach, Node, Repeat, Shape, WaitFor};

impl Shape {
    #[doc(hidden)]
    /// The shape of the saga `G` with this body.
    #[must_use]
    pub fn new<G: Saga>(body: Vec<Node>) -> Self {
        Self {
            saga: G::META,
            body,
        }
    }
}

/// What the shape shows of a call.
#[doc(hidden)]
#[must_use]
pub fn part<P: Part>(_: Site<P>) -> Node {
    P::node()
}

/// A wait, if it is one, in the words of the source.
#[doc(hidden)]
#[must_use]
pub fn wait<P: Part>(_: Site<P>, what: &'static str) -> Node {
    match P::node() {
        Node::Wait(wait) => Node::Wait(WaitFor { what, ..wait }),
        other => other,
    }
}

/// One way through a branch.
#[doc(hidden)]
#[must_use]
pub fn arm(when: &'static str, body: Vec<Node>) -> Arm {
    Arm { when, body }
}

/// Parts that run at the same time.
#[doc(hidden)]
#[must_use]
pub fn group(members: Vec<Node>) -> Node {
    Node::Group(members)
}

/// A part for each of many items.
#[doc(hidden)]
#[must_use]
pub fn fan_out(items: &'static str, limit: &'static str, each: Node) -> Node {
    Node::FanOut(ForEach {
        items,
        limit,
        body: vec![each],
    })
}

/// A saga that another one calls.
#[doc(hidden)]
#[must_use]
pub fn inner<G: Saga>() -> Node {
    let name = G::META.name;
    let is_around = AROUND.with_borrow(|around| around.contains(&name));
    let body = if is_around {
        Vec::new()
    } else {
        G::shape().body
    };
    Node::Saga(CalledSaga { name, body })
}

thread_local! {
    /// The sagas whose shapes are being made: one of them may call itself.
    static AROUND: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

/// The shape of the saga `G`; of a saga that calls itself the body is shown once.
pub(crate) fn of<G: Saga>(shape: impl FnOnce() -> Shape) -> Shape {
    AROUND.with_borrow_mut(|around| around.push(G::META.name));
    let shape = shape();
    AROUND.with_borrow_mut(Vec::pop);
    shape
}

/// What is done any number of times.
#[doc(hidden)]
#[must_use]
pub fn repeat(of: &'static str, body: Vec<Node>) -> Node {
    Node::Loop(Repeat { of, body })
}
