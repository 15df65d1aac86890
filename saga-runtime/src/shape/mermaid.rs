//! A shape as a Mermaid flowchart, which many documents and forges render.

use std::fmt::Write as _;

use crate::meta::Kind;
use crate::shape::graph::{Graph, Point};
use crate::shape::{HANDLED, Shape};

impl Shape {
    /// Draws the saga as a [Mermaid](https://mermaid.js.org) flowchart: steps, branches, and a dashed line from each
    /// step to its compensation.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        let graph = Graph::new(self);
        let mut text = String::from("flowchart TD\n");
        for (id, point) in graph.points.iter().enumerate() {
            let line = match point {
                Point::Start(name) | Point::Saga(name) => format!("n{id}([\"{}\"])", escape(name)),
                Point::Step(step) => match step.kind {
                    Kind::Pivot => format!("n{id}{{{{\"{} (pivot)\"}}}}", escape(step.name)),
                    Kind::Retriable => format!("n{id}[\"{} (retriable)\"]", escape(step.name)),
                    Kind::Compensatable | Kind::NothingToUndo => {
                        format!("n{id}[\"{}\"]", escape(step.name))
                    }
                },
                Point::Loop(of) => format!("n{id}[/\"{}\"\\]", escape(of)),
                Point::Wait(name) => format!("n{id}>\"{}\"]", escape(name)),
                Point::FanOut(of) => format!("n{id}[[\"{}\"]]", escape(of)),
                Point::Handled => format!("n{id}[[\"{HANDLED}\"]]"),
                Point::Fork => format!("n{id}[[\"at the same time\"]]"),
                Point::Choice => format!("n{id}{{\" \"}}"),
                Point::Completed => format!("n{id}([\"completed\"])"),
                Point::Returned => format!("n{id}([\"return\"])"),
            };
            push(&mut text, &line);
        }
        for edge in &graph.edges {
            let when = edge
                .when
                .map(|when| format!("|\"{}\"|", escape(when)))
                .unwrap_or_default();
            push(&mut text, &format!("n{} -->{when} n{}", edge.from, edge.to));
        }
        for (id, point) in graph.points.iter().enumerate() {
            if let Point::Step(step) = point
                && let Some(compensation) = step.compensation
            {
                push(
                    &mut text,
                    &format!("n{id} -.-> c{id}[/\"{}\"/]", escape(compensation)),
                );
            }
        }
        text
    }
}

fn push(text: &mut String, line: &str) {
    writeln!(text, "    {line}").expect("writing to a `String` never fails");
}

/// Replaces the characters with a meaning in quoted labels by entities.
fn escape(text: &str) -> String {
    text.replace('#', "#35;")
        .replace('"', "#quot;")
        .replace('<', "#lt;")
        .replace('>', "#gt;")
}
