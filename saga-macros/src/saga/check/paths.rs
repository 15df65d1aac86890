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
    /// begins where it is chosen. Each begins after the guards of earlier ways that saw the same outcome.
    fn branch(&mut self, ways: &[Way], from: usize) -> Point {
        let step = ways.iter().find_map(|way| way.refused);
        let before = step.and_then(|site| self.before.get(&site).copied().flatten());
        let (mut succeeded, mut end) = (Some(from), None);
        // After the guards that have seen a refusal.
        let mut refused = None;
        for way in ways {
            let after_success = (way.refused.is_none()).then_some(succeeded).flatten();
            let after_refusal = if way.succeeded {
                None
            } else {
                self.join(before, refused)
            };
            let taken = if way.guard.is_empty() {
                self.join(after_success, after_refusal)
            } else {
                let [success, refusal] =
                    [after_success, after_refusal].map(|from| self.sequence(&way.guard, from));
                succeeded = self.join(succeeded, success);
                refused = self.join(refused, refusal);
                self.join(success, refusal)
            };
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
