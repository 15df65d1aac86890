//! Two different parts of a saga with one durable name: their calls would be numbered together, and their records mixed up.

use std::collections::BTreeMap;

use crate::shape::{Node, Shape};

/// Two different parts of one saga with the same durable name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedName {
    /// The durable name.
    pub name: &'static str,
    /// The paths of the two functions. A saga has no path: it is called `saga`.
    pub paths: [&'static str; 2],
}

impl Shape {
    /// Finds a durable name that two different steps of one body have, or a step and a saga.
    #[must_use]
    pub fn shared_name(&self) -> Option<SharedName> {
        in_body(&self.body)
    }
}

fn in_body(body: &[Node]) -> Option<SharedName> {
    let mut names = BTreeMap::new();
    add(body, &mut names)
}

/// Adds the names of the parts in these nodes, which belong to one body.
fn add(nodes: &[Node], names: &mut BTreeMap<&'static str, &'static str>) -> Option<SharedName> {
    nodes.iter().find_map(|node| match node {
        Node::Step(step) if step.path.is_empty() => None,
        Node::Step(step) => add_one(step.name, step.path, names),
        Node::Branch(arms) => arms.iter().find_map(|arm| add(&arm.body, names)),
        Node::Loop(each) => add(&each.body, names),
        Node::Group(members) | Node::Handled(members) => add(members, names),
        Node::FanOut(each) => add(&each.body, names),
        Node::Saga(saga) => add_one(saga.name, "saga", names).or_else(|| in_body(&saga.body)),
        Node::Wait(_) | Node::Return => None,
    })
}

fn add_one(
    name: &'static str,
    path: &'static str,
    names: &mut BTreeMap<&'static str, &'static str>,
) -> Option<SharedName> {
    let first = *names.entry(name).or_insert(path);
    (first != path).then_some(SharedName {
        name,
        paths: [first, path],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::{Kind, SagaMeta, StepMeta};
    use crate::shape::{Arm, CalledSaga};

    fn step(name: &'static str, path: &'static str) -> Node {
        Node::Step(StepMeta::new(name, Kind::NothingToUndo).path(path))
    }

    fn shared(body: Vec<Node>) -> Option<SharedName> {
        let saga = SagaMeta::new("place_order");
        Shape { saga, body }.shared_name()
    }

    #[test]
    fn two_functions_with_one_name_are_found_in_any_branch_of_one_body() {
        let arm = |body| Arm { when: "", body };
        let branch = Node::Branch(vec![
            arm(vec![step("pay", "a::pay")]),
            arm(vec![Node::Group(vec![
                step("look", "a::look"),
                step("pay", "b::pay"),
            ])]),
        ]);
        let found = shared(vec![step("look", "a::look"), branch]).expect("two `pay`");
        assert_eq!((found.name, found.paths), ("pay", ["a::pay", "b::pay"]));
    }

    #[test]
    fn one_function_may_be_called_twice_and_a_sub_saga_has_names_of_its_own() {
        let inside = CalledSaga {
            name: "pack",
            body: vec![step("pay", "b::pay")],
        };
        let body = vec![
            step("pay", "a::pay"),
            step("pay", "a::pay"),
            Node::Saga(inside),
            step("unknown", ""),
            step("unknown", "a::unknown"),
        ];
        assert_eq!(shared(body), None);
    }

    #[test]
    fn a_step_and_a_saga_share_a_name_too_also_in_a_sub_saga() {
        let pack = || CalledSaga {
            name: "pack",
            body: Vec::new(),
        };
        let outer = CalledSaga {
            name: "deliver",
            body: vec![Node::Saga(pack()), step("pack", "a::pack")],
        };
        let found = shared(vec![Node::Saga(outer)]).expect("two `pack`");
        assert_eq!(found.paths, ["saga", "a::pack"]);
    }
}
