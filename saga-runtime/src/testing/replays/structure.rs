//! The calls of a history without payloads against the structure of a definition: a way through its nodes on which they come in this order.
//! It depends on no value: any arm of a branch may be taken, a loop may end anywhere, the members of a group may come in any order.

use std::collections::BTreeSet;

use crate::call_name;
use crate::coordinator::Unfit;
use crate::journal::{Reason, StepCall};
use crate::meta::Kind;
use crate::operator::{EntryView, SagaDetails};
use crate::shape::{Node, Shape};

/// The events with which a call comes into a history.
const CALLS: [&str; 7] = [
    "step_done",
    "step_refused",
    "step_in_doubt",
    "step_completed",
    "failing",
    "waiting",
    "wait_over",
];

/// Looks for a way through the definition.
pub(super) fn compare(shape: &Shape, saga: &SagaDetails) -> Result<(), Unfit> {
    let fingerprint = format!("{:016x}", shape.fingerprint());
    if saga.fingerprint.as_ref() == Some(&fingerprint) {
        return Ok(());
    }
    let mut calls: Vec<StepCall> = Vec::new();
    for entry in &saga.entries {
        if CALLS.contains(&&*entry.event) {
            let call = call(entry)?;
            if !calls.contains(&call) {
                calls.push(call);
            }
        }
    }
    let mut way = WaySearch {
        calls: calls.iter().map(ShapeCall::new).collect(),
        furthest: 0,
    };
    way.body(&shape.body, "", &Places::from([0]));
    let Some(call) = calls.get(way.furthest) else {
        return Ok(());
    };
    let message = format!(
        "the definition of `{}` has changed: call {} is recorded as {}, and no way through the definition has it there now",
        shape.saga.name,
        way.furthest + 1,
        call.words(),
    );
    Err(Unfit {
        reason: Reason::new("definition_changed", message),
        step: Some(call.clone()),
    })
}

fn call(entry: &EntryView) -> Result<StepCall, Reason> {
    let mut kinds = Kind::ALL.into_iter();
    let kind = kinds.find(|kind| entry.kind.as_deref() == Some(kind.name()));
    if let (Some(name), Some(kind)) = (&entry.step, kind) {
        return Ok(StepCall {
            name: name.clone().into(),
            occurrence: entry.occurrence,
            kind,
        });
    }
    let message = format!("entry {} is a call without its step or its kind", entry.seq);
    Err(Reason::new("unreadable", message))
}

/// A recorded call, without the numbers of calls.
struct ShapeCall<'a> {
    /// The sagas that are called around it: `pack/wrap/`, or nothing.
    lane: String,
    name: &'a str,
    kind: Kind,
}

impl<'a> ShapeCall<'a> {
    fn new(call: &'a StepCall) -> Self {
        let (lane, name) = call.name.rsplit_once('/').unwrap_or(("", &call.name));
        let sagas = lane.split('/').filter(|saga| !saga.is_empty());
        Self {
            lane: sagas
                .flat_map(|saga| [call_name::split(saga).0, "/"])
                .collect(),
            name,
            kind: call.kind,
        }
    }
}

/// Numbers of calls: those before each of them have come.
type Places = BTreeSet<usize>;

/// The search for a way.
struct WaySearch<'a> {
    calls: Vec<ShapeCall<'a>>,
    /// The most calls that some way has.
    furthest: usize,
}

impl WaySearch<'_> {
    /// The places behind these nodes, and all places in between.
    fn body(&mut self, nodes: &[Node], lane: &str, from: &Places) -> (Places, Places) {
        let (mut at, mut between) = (from.clone(), from.clone());
        for node in nodes {
            at = self.node(node, lane, &at, &mut between);
        }
        (at, between)
    }

    /// The places behind a node.
    fn node(&mut self, node: &Node, lane: &str, from: &Places, between: &mut Places) -> Places {
        let behind = match node {
            Node::Step(_) | Node::Wait(_) => {
                let made = from.iter().filter(|place| self.makes(node, lane, **place));
                made.map(|place| place + 1).collect()
            }
            Node::Branch(arms) => {
                let mut behind = Places::new();
                for arm in arms {
                    let (end, inside) = self.body(&arm.body, lane, from);
                    behind.extend(end);
                    between.extend(inside);
                }
                behind
            }
            Node::Loop(repeat) => {
                let (mut known, mut new) = (from.clone(), from.clone());
                while !new.is_empty() {
                    let (_, inside) = self.body(&repeat.body, lane, &new);
                    new = &inside - &known;
                    known.extend(inside);
                }
                known
            }
            Node::Group(members) => self.in_any_order(members, lane, from),
            Node::Handled(part) => self.handled(part, lane, from),
            Node::FanOut(each) => self.in_any_order(&each.body, lane, from),
            // It may fail anywhere, and the saga around it may go on.
            Node::Saga(saga) => {
                let lane = format!("{lane}{}/", saga.name);
                if saga.body.is_empty() {
                    self.in_any_order(std::slice::from_ref(node), &lane, from)
                } else {
                    self.body(&saga.body, &lane, from).1
                }
            }
            Node::Return => Places::new(),
        };
        between.extend(&behind);
        let furthest = behind.last().copied().unwrap_or_default();
        self.furthest = self.furthest.max(furthest);
        behind
    }

    /// The places behind a saga or a group whose failure the body handles: that of a saga is a call of its own.
    fn handled(&mut self, part: &[Node], lane: &str, from: &Places) -> Places {
        if let [Node::Group(members)] = part {
            let handled = |member: &Node| Node::Handled(vec![member.clone()]);
            let members: Vec<_> = members.iter().map(handled).collect();
            return self.in_any_order(&members, lane, from);
        }
        let (_, mut behind) = self.body(part, lane, from);
        let failed = |place: &&usize| self.fails(part, lane, **place);
        let failed: Vec<_> = behind.iter().filter(failed).map(|at| at + 1).collect();
        behind.extend(failed);
        behind
    }

    /// Returns whether the call at this place is the failure of a saga among these nodes.
    fn fails(&self, part: &[Node], lane: &str, place: usize) -> bool {
        let call = self.calls.get(place);
        call.is_some_and(|call| {
            let mut part = part.iter();
            call.lane == lane
                && part.any(|node| matches!(node, Node::Saga(saga) if saga.name == call.name))
        })
    }

    /// The places behind any number of calls of these nodes.
    fn in_any_order(&mut self, nodes: &[Node], lane: &str, from: &Places) -> Places {
        let mut known = from.clone();
        let mut open: Vec<usize> = from.iter().copied().collect();
        while let Some(place) = open.pop() {
            if nodes.iter().any(|node| self.makes(node, lane, place)) && known.insert(place + 1) {
                open.push(place + 1);
            }
        }
        known
    }

    /// Returns whether the call at this place may be made in a node.
    fn makes(&self, node: &Node, lane: &str, place: usize) -> bool {
        let Some(call) = self.calls.get(place) else {
            return false;
        };
        let any = |body: &[Node], lane: &str| body.iter().any(|node| self.makes(node, lane, place));
        match node {
            Node::Step(step) => {
                call.lane == lane && call.name == step.name && call.kind == step.kind
            }
            Node::Wait(wait) => {
                // The definition may not know the names of its events.
                let (name, events) = call.name.split_once(':').unwrap_or((call.name, ""));
                let is_for =
                    wait.events.is_empty() || wait.events.iter().copied().eq(events.split('|'));
                call.lane == lane && name == wait.name && is_for
            }
            Node::Branch(arms) => arms.iter().any(|arm| any(&arm.body, lane)),
            Node::Loop(repeat) => any(&repeat.body, lane),
            Node::Group(members) => any(members, lane),
            Node::Handled(part) => any(part, lane) || self.fails(part, lane, place),
            Node::FanOut(each) => any(&each.body, lane),
            // Of a saga that calls itself, the inner body is not told again.
            Node::Saga(saga) if saga.body.is_empty() => call.lane.starts_with(lane),
            Node::Saga(saga) => any(&saga.body, &format!("{lane}{}/", saga.name)),
            Node::Return => false,
        }
    }
}
