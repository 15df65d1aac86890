//! The shape of a saga: its steps and branches as data, to be read, compared and drawn without running anything.

mod dot;
mod fingerprint;
mod graph;
mod mermaid;
mod outline;

use crate::meta::{SagaMeta, StepMeta};

/// The steps and branches of a saga. `Display` prints it as an outline.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Shape {
    /// The saga's name and options.
    pub saga: SagaMeta,
    /// What its body does, in order.
    pub body: Vec<Node>,
}

/// One piece of a saga's body.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Node {
    /// A step is called.
    Step(StepMeta),
    /// One of several ways is taken.
    Branch(Vec<Arm>),
    /// Something is done any number of times.
    Loop(Repeat),
    /// Parts that run at the same time.
    Group(Vec<Node>),
    /// A part for each of many items, some of them at the same time.
    FanOut(ForEach),
    /// Another saga is called: its steps are steps of this one.
    Saga(CalledSaga),
    /// The saga waits for a time or an event.
    Wait(WaitFor),
    /// The body returns here.
    Return,
}

/// One way through a branch.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Arm {
    /// When it is taken, in the words of the source.
    pub when: &'static str,
    /// What is done then.
    pub body: Vec<Node>,
}

/// A saga that another one calls.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CalledSaga {
    /// Its durable name.
    pub name: &'static str,
    /// What its body does, in order; nothing if it is a saga that it is inside of.
    pub body: Vec<Node>,
}

/// A wait for a time or an event.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WaitFor {
    /// `sleep` or `event`.
    pub name: &'static str,
    /// For what, in the words of the source.
    pub what: &'static str,
}

/// What is done any number of times.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Repeat {
    /// How often, in the words of the source.
    pub of: &'static str,
    /// What is done in each round.
    pub body: Vec<Node>,
}

/// A part for each of many items.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ForEach {
    /// Of what, in the words of the source.
    pub items: &'static str,
    /// How many at the same time, in the words of the source.
    pub limit: &'static str,
    /// What is done for each.
    pub body: Vec<Node>,
}

impl ForEach {
    /// In words.
    fn words(&self) -> String {
        format!(
            "for each of {}, at most {} at the same time",
            self.items, self.limit
        )
    }
}

impl Shape {
    /// Its steps in the order of the source, those of all branches.
    pub fn steps(&self) -> impl Iterator<Item = &StepMeta> {
        let mut steps = Vec::new();
        collect(&self.body, &mut steps);
        steps.into_iter()
    }
}

fn collect<'a>(body: &'a [Node], steps: &mut Vec<&'a StepMeta>) {
    for node in body {
        match node {
            Node::Step(step) => steps.push(step),
            Node::Branch(arms) => arms.iter().for_each(|arm| collect(&arm.body, steps)),
            Node::Loop(each) => collect(&each.body, steps),
            Node::Group(members) => collect(members, steps),
            Node::FanOut(each) => collect(&each.body, steps),
            Node::Saga(saga) => collect(&saga.body, steps),
            Node::Wait(_) | Node::Return => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::Kind;

    fn arm(when: &'static str, body: Vec<Node>) -> Arm {
        Arm { when, body }
    }

    fn shape() -> Shape {
        let step = |name, kind| Node::Step(StepMeta::new(name, kind));
        let charge = StepMeta::new("charge", Kind::Compensatable).compensation("refund");
        let arms = vec![
            arm("order.is_free()", vec![Node::Return]),
            arm(
                "order.total > \"1\"",
                vec![Node::Step(charge), step("ship", Kind::Pivot)],
            ),
            arm("else", vec![]),
        ];
        let body = vec![
            step("quote", Kind::NothingToUndo),
            Node::Branch(arms),
            step("send_receipt", Kind::Retriable),
        ];
        Shape {
            saga: SagaMeta::new("place_order"),
            body,
        }
    }

    #[test]
    fn steps_are_listed_in_the_order_of_the_source() {
        let names: Vec<_> = shape().steps().map(|step| step.name).collect();
        assert_eq!(names, ["quote", "charge", "ship", "send_receipt"]);
    }

    #[test]
    fn the_outline_reads_like_the_source() {
        let expected = "\
saga `place_order`
1. quote: nothing to undo
2. one of
   - order.is_free():
     2.1. return
   - order.total > \"1\":
     2.1. charge: compensated by refund
     2.2. ship: pivot
   - else: nothing
3. send_receipt: retriable";
        assert_eq!(shape().to_string(), expected);
    }

    #[test]
    fn mermaid_shows_steps_branches_and_compensations() {
        let expected = r#"flowchart TD
    n0(["place_order"])
    n1["quote"]
    n2{" "}
    n3["charge"]
    n4{{"ship (pivot)"}}
    n5["send_receipt (retriable)"]
    n6(["completed"])
    n7(["return"])
    n0 --> n1
    n1 --> n2
    n2 -->|"order.total #gt; #quot;1#quot;"| n3
    n3 --> n4
    n4 --> n5
    n2 -->|"else"| n5
    n5 --> n6
    n2 -->|"order.is_free()"| n7
    n3 -.-> c3[/"refund"/]
"#;
        assert_eq!(shape().to_mermaid(), expected);
    }

    #[test]
    fn dot_shows_steps_branches_and_compensations() {
        let dot = shape().to_dot();
        for line in [
            r#"digraph "place_order" {"#,
            r#"n4 [label="ship\n(pivot)", shape=hexagon];"#,
            r#"n2 -> n3 [label="order.total > \"1\""];"#,
            r#"n2 -> n7 [label="order.is_free()"];"#,
            "n3 -> c3 [style=dashed];",
        ] {
            assert!(dot.contains(line), "{line} in\n{dot}");
        }
    }
}
