//! A shape as a graph, the common source of the Mermaid and the DOT drawing.

use crate::meta::StepMeta;
use crate::shape::{Node, Shape};

/// The points of a saga, and the edges between them.
pub(super) struct Graph<'a> {
    pub(super) points: Vec<Point<'a>>,
    pub(super) edges: Vec<Edge<'a>>,
}

/// A point of the graph.
pub(super) enum Point<'a> {
    Start(&'a str),
    Step(&'a StepMeta),
    /// A branch: one of the edges is taken.
    Choice,
    /// A group: all edges are taken at the same time.
    Fork,
    /// A wait.
    Wait(&'a str),
    /// A sub-saga.
    Saga(&'a str),
    /// A sub-saga or a group begins whose failure the body handles.
    Handled,
    /// A fan-out: the edge is taken for each item.
    FanOut(String),
    /// The head of a loop: another round, or the end.
    Loop(&'a str),
    Completed,
    /// An early end: completed, or with an error of the body's own.
    Returned,
}

/// An edge, with the condition under which it is taken.
pub(super) struct Edge<'a> {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) when: Option<&'a str>,
}

/// An edge whose target is not known yet.
type Loose<'a> = (usize, Option<&'a str>);

impl<'a> Graph<'a> {
    pub(super) fn new(shape: &'a Shape) -> Self {
        let mut graph = Self {
            points: Vec::new(),
            edges: Vec::new(),
        };
        let start = graph.point(Point::Start(shape.saga.name), &[]);
        let mut returned = Vec::new();
        let ends = graph.body(&shape.body, vec![(start, None)], &mut returned);
        graph.point(Point::Completed, &ends);
        if !returned.is_empty() {
            graph.point(Point::Returned, &returned);
        }
        graph
    }

    /// Draws `body` after the loose ends. Returns its own loose ends, and adds the ones that leave the saga to
    /// `returned`.
    fn body(
        &mut self,
        body: &'a [Node],
        mut ends: Vec<Loose<'a>>,
        returned: &mut Vec<Loose<'a>>,
    ) -> Vec<Loose<'a>> {
        for node in body {
            match node {
                Node::Step(step) => ends = vec![(self.point(Point::Step(step), &ends), None)],
                Node::Loop(each) => {
                    let head = self.point(Point::Loop(each.of), &ends);
                    let round = vec![(head, None)];
                    let again = self.body(&each.body, round, returned);
                    self.connect(head, &again);
                    ends = vec![(head, Some("end"))];
                }
                Node::Group(members) => {
                    let fork = self.point(Point::Fork, &ends);
                    ends = Vec::new();
                    for member in members {
                        let way = vec![(fork, None)];
                        let member = std::slice::from_ref(member);
                        ends.append(&mut self.body(member, way, returned));
                    }
                }
                Node::FanOut(each) => {
                    let fork = self.point(Point::FanOut(each.words()), &ends);
                    ends = self.body(&each.body, vec![(fork, None)], returned);
                }
                Node::Saga(saga) => {
                    let start = self.point(Point::Saga(saga.name), &ends);
                    let mut inner = Vec::new();
                    ends = self.body(&saga.body, vec![(start, None)], &mut inner);
                    ends.append(&mut inner);
                }
                Node::Handled(part) => {
                    let start = self.point(Point::Handled, &ends);
                    ends = self.body(part, vec![(start, None)], returned);
                }
                Node::Wait(wait) => ends = vec![(self.point(Point::Wait(wait.what), &ends), None)],
                Node::Return => returned.append(&mut ends),
                Node::Branch(arms) => {
                    let choice = self.point(Point::Choice, &ends);
                    ends = Vec::new();
                    for arm in arms {
                        let way = vec![(choice, Some(arm.when))];
                        ends.append(&mut self.body(&arm.body, way, returned));
                    }
                }
            }
        }
        ends
    }

    fn point(&mut self, point: Point<'a>, after: &[Loose<'a>]) -> usize {
        let to = self.points.len();
        self.points.push(point);
        self.connect(to, after);
        to
    }

    fn connect(&mut self, to: usize, after: &[Loose<'a>]) {
        self.edges.extend(after.iter().map(|(from, when)| Edge {
            from: *from,
            to,
            when: *when,
        }));
    }
}
