//! The paths through a body: every order in which it calls its steps, joined where paths meet.

use std::collections::HashMap;

use crate::saga::model::{Flow, Line, Loop, Way};

/// The lines of the order rule for all paths through a body.
pub(super) fn lines(flow: &[Flow]) -> Vec<Line> {
    let mut paths = Paths {
        lines: Vec::new(),
        before: HashMap::new(),
        left: HashMap::new(),
    };
    let begin = paths.line(Line::Begin);
    paths.sequence(flow, Some(begin));
    paths.lines
}

/// A point in the body. `None` if no path leads there.
type Point = Option<usize>;

struct Paths {
    lines: Vec<Line>,
    /// The point before the step of each site.
    before: HashMap<usize, Point>,
    /// The points from which the body leaves each block.
    left: HashMap<usize, Vec<Point>>,
}

impl Paths {
    fn line(&mut self, line: Line) -> usize {
        self.lines.push(line);
        self.lines.len() - 1
    }

    fn sequence(&mut self, flow: &[Flow], from: Point) -> Point {
        flow.iter().fold(from, |from, one| self.after(one, from))
    }

    /// The point after `flow`, which begins at `from`.
    fn after(&mut self, flow: &Flow, from: Point) -> Point {
        let from = from?;
        match flow {
            Flow::Step(site) => {
                self.before.insert(*site, Some(from));
                Some(self.line(Line::Then { from, site: *site }))
            }
            Flow::Group(sites) => self.group(sites, from),
            Flow::FanOut(each) => self.group(&[each.site], from),
            Flow::MayFail(place) => {
                self.line(Line::MayFail {
                    from,
                    place: *place,
                });
                Some(from)
            }
            Flow::Branch(ways) => self.branch(ways, from),
            Flow::Loop(each) => self.rounds(each, from),
            Flow::Block { id, flow } => {
                let end = self.sequence(flow, Some(from));
                self.join_left(end, *id)
            }
            Flow::Leave(id) => {
                self.left.entry(*id).or_default().push(Some(from));
                None
            }
            Flow::Return => None,
        }
    }

    fn group(&mut self, sites: &[usize], from: usize) -> Point {
        let mut end = None;
        for site in sites {
            let first = sites[0];
            self.line(Line::Beside { first, site: *site });
            let done = self.line(Line::Then { from, site: *site });
            end = self.join(end, Some(done));
        }
        end
    }

    /// The point after a branch. A way that a refusal leads to begins before the step that refused. Every other way
    /// begins where it is chosen, perhaps after the guards of the ways before it.
    fn branch(&mut self, ways: &[Way], from: usize) -> Point {
        let (mut undecided, mut end) = (Some(from), None);
        for way in ways {
            let from = match way.refused {
                Some(site) => self.before.get(&site).copied().flatten(),
                None => undecided,
            };
            let taken = self.sequence(&way.guard, from);
            if !way.guard.is_empty() {
                undecided = self.join(undecided, taken);
            }
            let after = self.sequence(&way.flow, taken);
            end = self.join(end, after);
        }
        end
    }

    /// The point after a loop. Two rounds stand for any number of rounds: the second begins at every possible end of
    /// the first, and no round ends elsewhere.
    fn rounds(&mut self, each: &Loop, from: usize) -> Point {
        let first = self.round(each, Some(from));
        let again = self.join(Some(from), first);
        let second = if again == Some(from) {
            first
        } else {
            self.round(each, again)
        };
        let head = self.join(again, second);
        self.join_left(head.filter(|_| each.ends_itself), each.end)
    }

    /// The point at which the next round begins.
    fn round(&mut self, each: &Loop, from: Point) -> Point {
        let end = self.sequence(&each.flow, from);
        self.join_left(end, each.again)
    }

    /// Joins `end` with the points from which the body leaves the block `id`.
    fn join_left(&mut self, end: Point, id: usize) -> Point {
        let left = self.left.remove(&id).unwrap_or_default();
        left.into_iter()
            .fold(end, |one, other| self.join(one, other))
    }

    fn join(&mut self, one: Point, other: Point) -> Point {
        match (one, other) {
            (Some(one), Some(other)) if one != other => Some(self.line(Line::Join { one, other })),
            (one, other) => one.or(other),
        }
    }
}

#[cfg(test)]
mod tests;
