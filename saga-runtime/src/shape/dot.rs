//! A shape as a graph in DOT, the language of Graphviz.

use std::fmt::Write as _;

use crate::meta::Kind;
use crate::shape::graph::{Graph, Point};
use crate::shape::{HANDLED, Shape};

impl Shape {
    /// Draws the saga as a [DOT](https://graphviz.org/doc/info/lang.html) graph: steps, branches, and a dashed line
    /// from each step to its compensation.
    #[must_use]
    pub fn to_dot(&self) -> String {
        let graph = Graph::new(self);
        let mut text = format!(
            "digraph \"{}\" {{\n    node [shape=box];\n",
            escape(self.saga.name)
        );
        for (id, point) in graph.points.iter().enumerate() {
            let (label, shape) = match point {
                Point::Start(name) | Point::Saga(name) => (escape(name), "ellipse"),
                Point::Step(step) => match step.kind {
                    Kind::Pivot => (format!("{}\\n(pivot)", escape(step.name)), "hexagon"),
                    Kind::Retriable => (format!("{}\\n(retriable)", escape(step.name)), "box"),
                    Kind::Compensatable | Kind::NothingToUndo => (escape(step.name), "box"),
                },
                Point::Loop(of) => (escape(of), "trapezium"),
                Point::Wait(name) => (escape(name), "cds"),
                Point::FanOut(of) => (escape(of), "triangle"),
                Point::Handled => (HANDLED.to_owned(), "note"),
                Point::Fork => ("at the same time".to_owned(), "triangle"),
                Point::Choice => (String::new(), "diamond"),
                Point::Completed => ("completed".to_owned(), "ellipse"),
                Point::Returned => ("return".to_owned(), "ellipse"),
            };
            push(
                &mut text,
                &format!("n{id} [label=\"{label}\", shape={shape}];"),
            );
        }
        for edge in &graph.edges {
            let when = edge
                .when
                .map(|when| format!(" [label=\"{}\"]", escape(when)))
                .unwrap_or_default();
            push(&mut text, &format!("n{} -> n{}{when};", edge.from, edge.to));
        }
        for (id, point) in graph.points.iter().enumerate() {
            if let Point::Step(step) = point
                && let Some(compensation) = step.compensation
            {
                push(
                    &mut text,
                    &format!(
                        "c{id} [label=\"{}\", shape=parallelogram];",
                        escape(compensation)
                    ),
                );
                push(&mut text, &format!("n{id} -> c{id} [style=dashed];"));
            }
        }
        text.push_str("}\n");
        text
    }
}

fn push(text: &mut String, line: &str) {
    writeln!(text, "    {line}").expect("writing to a `String` never fails");
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
