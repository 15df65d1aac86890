//! A shape as a graph: what both pictures, Mermaid and DOT, are drawn from.

use crate::meta::StepMeta;
use crate::shape::{Node, Shape};

/// What can happen in a saga, and what follows it.
pub(super) struct Graph<'a> {
    pub(super) points: Vec<Point<'a>>,
    pub(super) edges: Vec<Edge<'a>>,
}

/// Something that happens.
pub(super) enum Point<'a> {
    Start(&'a str),
    Step(&'a StepMeta),
    /// One of several ways is taken.
    Choice,
    /// What follows happens at the same time.
    Fork,
    /// The saga waits.
    Wait(&'a str),
    /// A saga that this one calls.
    Saga(&'a str),
    /// What follows happens for each of many items.
    FanOut(String),
    /// Another round begins, or the loop ends.
    Loop(&'a str),
    Completed,
    /// The saga ends early: completed, or with an error of its own.
    Returned,
}

/// What follows what, and when.
pub(super) struct Edge<'a> {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) when: Option<&'a str>,
}

/// An edge whose end is not known yet.
type Loose<'a> = (usize, Option<&'a str>);

impl<'a> Graph<'a> {
    pub(super) fn of(shape: &'a Shape) -> Self {
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

    /// Draws `body` after the loose ends; returns those that are loose then, and adds the ones that leave the saga.
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
                    let begin = self.point(Point::Saga(saga.name), &ends);
                    let mut inner = Vec::new();
                    ends = self.body(&saga.body, vec![(begin, None)], &mut inner);
                    ends.append(&mut inner);
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
