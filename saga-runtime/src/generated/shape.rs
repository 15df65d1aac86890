//! The functions with which generated code builds the shape of a saga.

use std::cell::RefCell;
use std::ops::Deref;

use crate::engines::in_process::Effects;
use crate::language::order::Site;
use crate::language::recorded::{begin_saga, end_saga, note_callee};
use crate::language::{Callee, EventName};
use crate::meta::{Kind, StepMeta};
use crate::run::{Saga, Unstarted};
use crate::shape::{Arm, CalledSaga, ForEach, Node, Repeat, Shape, WaitFor};

impl Shape {
    #[doc(hidden)]
    /// Creates the shape of the saga `G` with this body.
    #[must_use]
    pub fn new<G: Saga>(body: impl Into<Vec<Node>>) -> Self {
        Self {
            saga: G::META,
            body: body.into(),
        }
    }
}

/// The facts about the saga `G` where another one calls it.
#[doc(hidden)]
#[must_use]
pub const fn saga_callee<G: Saga>(kind: Kind) -> StepMeta {
    StepMeta::new(G::META.name, kind)
}

/// The node of a call.
// `P` is the type of the called step, which rustc infers once, at the call in the body. A table of the steps of a saga, for
// example of their compensations by name, needs no more of the macro: a method of `Callee`, called here for each site.
#[doc(hidden)]
#[must_use]
pub fn callee<P: Callee>(_: Site<P>) -> Node {
    note_callee::<P>();
    P::node()
}

/// The node of a call. If it is a wait, `what` is shown: its arguments as source text. The `events` are known if the arguments are
/// constants.
#[doc(hidden)]
#[must_use]
pub fn wait<P: Callee>(
    _: Site<P>,
    what: &'static str,
    events: impl Into<Vec<Option<&'static str>>>,
) -> Node {
    match P::node() {
        Node::Wait(wait) => {
            let events = events.into().into_iter().collect::<Option<_>>();
            let events = events.unwrap_or_default();
            Node::Wait(WaitFor {
                what,
                events,
                ..wait
            })
        }
        other => other,
    }
}

/// A constant that a wait names. If it is no event, the compiler says so at the wait, and nothing here.
#[doc(hidden)]
#[derive(Debug)]
pub struct EventOf<T>(pub T);

impl<T> EventOf<&EventName<T>> {
    /// The durable name.
    #[must_use]
    pub const fn name(&self) -> Option<&'static str> {
        Some(self.0.name())
    }
}

impl<T> Deref for EventOf<T> {
    type Target = NoEvent;

    fn deref(&self) -> &NoEvent {
        &NoEvent
    }
}

/// Anything but an event.
#[doc(hidden)]
#[derive(Debug)]
pub struct NoEvent;

impl NoEvent {
    /// It has none.
    #[must_use]
    pub const fn name(&self) -> Option<&'static str> {
        None
    }
}

/// One arm of a branch.
#[doc(hidden)]
#[must_use]
pub fn arm(when: &'static str, body: impl Into<Vec<Node>>) -> Arm {
    Arm {
        when,
        body: body.into(),
    }
}

/// The node of a branch.
#[doc(hidden)]
#[must_use]
pub fn branch(arms: impl Into<Vec<Arm>>) -> Node {
    Node::Branch(arms.into())
}

/// The node of a group.
#[doc(hidden)]
#[must_use]
pub fn group(members: impl Into<Vec<Node>>) -> Node {
    Node::Group(members.into())
}

/// The node of a call or a group whose failure the body handles. A step that refuses leaves nothing to undo.
#[doc(hidden)]
#[must_use]
pub fn handled(node: Node) -> Node {
    match node {
        Node::Saga(_) | Node::Group(_) => Node::Handled(vec![node]),
        other => other,
    }
}

/// The node of a fan-out.
#[doc(hidden)]
#[must_use]
pub fn fan_out(items: &'static str, limit: &'static str, each: Node) -> Node {
    Node::FanOut(ForEach {
        items,
        limit,
        body: vec![each],
    })
}

/// The node of a sub-saga.
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
    /// The sagas whose shapes are being built. A saga that is among them is recursive.
    static AROUND: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

/// The shape of the saga `G`. The body of a recursive saga is shown once.
// The driver infers the types of its calls for an engine. The one in process stands for all of them.
#[doc(hidden)]
#[must_use]
pub fn shape<G: Saga>() -> Shape {
    AROUND.with_borrow_mut(|around| around.push(G::META.name));
    begin_saga(G::META.name);
    let shape = (G::driver::<Effects, _>(Unstarted).shape)();
    end_saga();
    AROUND.with_borrow_mut(Vec::pop);
    shape
}

/// The node of a loop.
#[doc(hidden)]
#[must_use]
pub fn repeat(of: &'static str, body: impl Into<Vec<Node>>) -> Node {
    Node::Loop(Repeat {
        of,
        body: body.into(),
    })
}
