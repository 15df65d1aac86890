//! The shape of a saga: its steps and branches as data. It can be read, compared and drawn without running the saga.
//!
//! ```
//! # use saga_runtime::{Context, saga, step};
//! # struct Shop;
//! # #[step(compensate = cancel_order)] async fn create_order(_: Context<'_, Shop>, item: &str) -> Result<u64, String> { Ok(17) }
//! # async fn cancel_order(_: Context<'_, Shop>, _: &u64) -> Result<(), String> { Ok(()) }
//! # #[step(pivot)] async fn charge(_: Context<'_, Shop>, _: u64) -> Result<(), String> { Ok(()) }
//! saga!(
//!     async fn place_order(cx: Context<'_, Shop>, item: String) -> Result<u64, String> {
//!         let order = create_order(cx, &item).await?;
//!         charge(cx, order).await?;
//!         Ok(order)
//!     }
//! );
//!
//! let outline = "\
//! saga `place_order`
//! 1. create_order: compensated by cancel_order
//! 2. charge: pivot";
//! assert_eq!(PlaceOrder::shape().to_string(), outline);
//! ```

mod dot;
mod fingerprint;
mod graph;
mod mermaid;
mod outline;
mod shared_name;

use crate::meta::{SagaMeta, StepMeta};

pub(crate) use outline::undone;
pub use shared_name::SharedName;

/// A saga as data: its steps, branches, loops, groups and waits. `Display` prints it as an outline.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Shape {
    /// The saga's name and options.
    pub saga: SagaMeta,
    /// The nodes of its body, in order.
    pub body: Vec<Node>,
}

/// One node of a saga's body.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[expect(
    clippy::large_enum_variant,
    reason = "most nodes are steps, and a shape is made once"
)]
pub enum Node {
    /// The call of a step.
    Step(StepMeta),
    /// An `if` or a `match`: one of the arms runs.
    Branch(Vec<Arm>),
    /// A loop: its body runs any number of times.
    Loop(Repeat),
    /// A `try_join!`: the members run at the same time.
    Group(Vec<Node>),
    /// A `try_join_all`: one call for each item, several at the same time.
    FanOut(ForEach),
    /// The call of a sub-saga. Its steps are steps of this saga.
    Saga(CalledSaga),
    /// A sub-saga or a group whose failure the body handles: what it has done is undone before the body goes
    /// on.
    Handled(Vec<Node>),
    /// A wait for a time or an event.
    Wait(WaitFor),
    /// An early return of the body.
    Return,
}

/// One arm of a branch.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Arm {
    /// The condition, as source text.
    pub when: &'static str,
    /// The nodes of the arm, in order.
    pub body: Vec<Node>,
}

/// The call of a sub-saga.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CalledSaga {
    /// Its durable name.
    pub name: &'static str,
    /// The nodes of its body, in order. Empty if the saga is recursive here.
    pub body: Vec<Node>,
}

/// A wait for a time or an event.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WaitFor {
    /// `sleep` or `event`.
    pub name: &'static str,
    /// The duration or the event's name, as source text.
    pub what: &'static str,
    /// The durable names of the events. Empty for a `sleep`, and if the body does not name the events by constants.
    pub events: Vec<&'static str>,
}

/// A loop.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Repeat {
    /// The head of the loop, as source text: `for article in &articles`.
    pub of: &'static str,
    /// The nodes of one round, in order.
    pub body: Vec<Node>,
}

/// A `try_join_all`: one call for each item.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ForEach {
    /// The items, as source text.
    pub items: &'static str,
    /// The number of calls at the same time, as source text.
    pub limit: &'static str,
    /// The nodes for one item.
    pub body: Vec<Node>,
}

/// The label of a part whose failure the body handles, in outlines and graphs.
pub(crate) const HANDLED: &str = "undone first, if it fails";

impl ForEach {
    /// The label of the fan-out in outlines and graphs.
    pub(crate) fn words(&self) -> String {
        format!(
            "for each of {}, at most {} at the same time",
            self.items, self.limit
        )
    }
}

impl Shape {
    /// Lists the steps of all branches, in source order.
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
            Node::Group(members) | Node::Handled(members) => collect(members, steps),
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
