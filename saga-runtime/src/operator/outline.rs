//! A definition as data that can be sent: the shape of a saga with owned texts.

use serde::{Deserialize, Serialize};

use crate::operator::CallView;
use crate::shape::{Arm, HANDLED, Node, Shape, undone};

/// The definition of a saga.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Outline {
    /// The durable name of the saga.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// The nodes of its body, in order.
    pub body: Vec<OutlineNode>,
}

/// One node of a saga's body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "node", rename_all = "snake_case")]
#[non_exhaustive]
pub enum OutlineNode {
    /// The call of a step.
    Step {
        /// Its durable name, with those of the sagas around it: `pack/reserve`.
        name: String,
        /// How it is undone, in words.
        undone: String,
    },
    /// A wait for a time or an event.
    Wait {
        /// `sleep` or `event`, with the names of the sagas around it.
        name: String,
        /// The call with its duration or its event, as source text: `event(APPROVED)`.
        what: String,
        /// The durable names of the events, if they are known.
        #[serde(default)]
        events: Vec<String>,
    },
    /// One of several ways.
    Branch {
        /// The condition of each, and its nodes.
        arms: Vec<(String, Vec<OutlineNode>)>,
    },
    /// Nodes with a heading: a loop, a group, a fan-out, a sub-saga.
    Block {
        /// The heading.
        heading: String,
        /// Its nodes.
        body: Vec<OutlineNode>,
    },
    /// An early return.
    Return,
}

impl From<&Shape> for Outline {
    fn from(shape: &Shape) -> Self {
        Self {
            name: shape.saga.name.to_owned(),
            version: shape.saga.version,
            body: nodes(&shape.body, ""),
        }
    }
}

/// The nodes of a body, whose steps have this lane before their names.
fn nodes(body: &[Node], lane: &str) -> Vec<OutlineNode> {
    let block = |heading: String, body: &[Node], lane: &str| OutlineNode::Block {
        heading,
        body: nodes(body, lane),
    };
    let node = |node: &Node| match node {
        Node::Step(step) => OutlineNode::Step {
            name: format!("{lane}{}", step.name),
            undone: undone(step),
        },
        Node::Wait(wait) => OutlineNode::Wait {
            name: format!("{lane}{}", wait.name),
            what: wait.what.to_owned(),
            events: wait.events.iter().map(|&event| event.to_owned()).collect(),
        },
        Node::Return => OutlineNode::Return,
        Node::Branch(arms) => OutlineNode::Branch {
            arms: arms
                .iter()
                .map(|Arm { when, body }| ((*when).to_owned(), nodes(body, lane)))
                .collect(),
        },
        Node::Loop(repeat) => block(repeat.of.to_owned(), &repeat.body, lane),
        Node::Group(members) => block("at the same time".to_owned(), members, lane),
        Node::Handled(part) => block(HANDLED.to_owned(), part, lane),
        Node::FanOut(each) => block(each.words(), &each.body, lane),
        Node::Saga(saga) => block(
            format!("saga {}", saga.name),
            &saga.body,
            &format!("{lane}{}/", saga.name),
        ),
    };
    body.iter().map(node).collect()
}

impl OutlineNode {
    /// The calls of this step or wait in a run. Each round of a loop is a call of its own.
    pub fn calls_of<'a>(&self, calls: &'a [CallView]) -> impl Iterator<Item = &'a CallView> {
        calls.iter().filter(|call| self.is_of(call))
    }

    /// Returns whether a run has come to this node, or to one inside of it.
    #[must_use]
    pub fn is_reached(&self, calls: &[CallView]) -> bool {
        match self {
            Self::Step { .. } | Self::Wait { .. } => calls.iter().any(|call| self.is_of(call)),
            Self::Branch { arms } => {
                let mut inside = arms.iter().flat_map(|(_, body)| body);
                inside.any(|node| node.is_reached(calls))
            }
            Self::Block { body, .. } => body.iter().any(|node| node.is_reached(calls)),
            Self::Return => false,
        }
    }

    /// Returns for each arm of a branch whether a run has certainly taken it. A step that stands in several arms tells nothing:
    /// the history has its name, and not its place.
    #[must_use]
    pub fn taken(&self, calls: &[CallView]) -> Vec<bool> {
        let Self::Branch { arms } = self else {
            return Vec::new();
        };
        let arms: Vec<_> = arms.iter().map(|(_, body)| leaves(body)).collect();
        let is_of = |arm: &[&Self], call: &CallView| arm.iter().any(|leaf| leaf.is_of(call));
        let is_taken = |index: usize, arm: &[&Self]| {
            let others = arms.iter().enumerate().filter(|(other, _)| *other != index);
            let others: Vec<_> = others.map(|(_, other)| other).collect();
            let mut own = calls.iter().filter(|call| is_of(arm, call));
            own.any(|call| !others.iter().any(|other| is_of(other, call)))
        };
        let taken = arms.iter().enumerate();
        taken.map(|(index, arm)| is_taken(index, arm)).collect()
    }

    /// Where the names of the events are not known, `event(APPROVED)` is the wait for `event:approved` by the usual name of the constant.
    fn is_of(&self, call: &CallView) -> bool {
        let called = plain(&call.name);
        match self {
            Self::Step { name, .. } => called == *name,
            Self::Wait { name, what, events } => match called.split_once("event:") {
                Some((lane, called)) => {
                    let is_for = if events.is_empty() {
                        let (called, what) = (called.replace(['-', '.'], "_"), what.to_lowercase());
                        called.split('|').all(|event| what.contains(event))
                    } else {
                        called.split('|').eq(events.iter().map(String::as_str))
                    };
                    name.strip_suffix("event") == Some(lane) && is_for
                }
                None => called == *name,
            },
            Self::Branch { .. } | Self::Block { .. } | Self::Return => false,
        }
    }
}

/// The name of a call as the outline has it: `pack/charge` of `pack#1/charge`.
fn plain(name: &str) -> String {
    let parts = name.split('/').map(|part| match part.rsplit_once('#') {
        Some((plain, number)) if number.parse::<u32>().is_ok() => plain,
        _ => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

/// The steps and waits of a body, at any depth.
fn leaves(body: &[OutlineNode]) -> Vec<&OutlineNode> {
    let inside = body.iter().flat_map(|node| match node {
        OutlineNode::Branch { arms } => arms.iter().flat_map(|(_, body)| leaves(body)).collect(),
        OutlineNode::Block { body, .. } => leaves(body),
        OutlineNode::Return => Vec::new(),
        OutlineNode::Step { .. } | OutlineNode::Wait { .. } => vec![node],
    });
    inside.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::CallStatus;

    fn step(name: &str) -> OutlineNode {
        OutlineNode::Step {
            name: name.to_owned(),
            undone: String::new(),
        }
    }

    #[test]
    fn an_arm_is_taken_if_a_call_can_be_of_no_other() {
        let arm = |steps: &[&str]| (String::new(), steps.iter().copied().map(step).collect());
        let arms = vec![arm(&["charge", "ship"]), arm(&["charge"]), arm(&[])];
        let branch = OutlineNode::Branch { arms };
        let taken = |names: &[&str]| {
            let calls = names
                .iter()
                .map(|name| CallView::new(name, CallStatus::Done));
            branch.taken(&calls.collect::<Vec<_>>())
        };
        assert_eq!(taken(&[]), [false, false, false]);
        assert_eq!(taken(&["charge"]), [false, false, false]);
        assert_eq!(taken(&["charge", "ship"]), [true, false, false]);
    }
}
