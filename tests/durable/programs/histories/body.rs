//! The body of a program as parts of a history.

use std::collections::{HashMap, HashSet, VecDeque};

use saga_runtime::Kind;
use saga_runtime::journal::{Event, Reason, StepCall};

use super::{Item, Part, key};
use crate::programs::program::{HEARD, Op};

/// The body of one saga.
#[derive(Debug, Default)]
pub(super) struct Body {
    /// The prefix of the names of its steps.
    path: String,
    called: HashMap<&'static str, u32>,
}

impl Body {
    fn occurrence(&mut self, name: &'static str) -> u32 {
        let called = self.called.entry(name).or_insert(0);
        *called += 1;
        *called - 1
    }

    fn call(&mut self, name: &'static str, kind: Kind) -> StepCall {
        StepCall {
            occurrence: self.occurrence(name),
            name: format!("{}{name}", self.path).into(),
            kind,
        }
    }

    fn inner(&mut self, refused: &HashSet<String>, ops: &[Op]) -> Part {
        let path = match self.occurrence("go") {
            0 => format!("{}go/", self.path),
            occurrence => format!("{}go#{occurrence}/", self.path),
        };
        let called = HashMap::new();
        Self { path, called }.part(refused, ops)
    }

    /// A step, and whether it is done.
    fn step(&mut self, refused: &HashSet<String>, name: &'static str) -> (Item, bool) {
        let kind = match name {
            "work" | "risk" => Kind::Compensatable,
            _ => Kind::NothingToUndo,
        };
        let step = self.call(name, kind);
        let key = key(&step);
        let is_done = !refused.contains(&key);
        let event = if is_done {
            let output = match kind {
                Kind::Compensatable => format!("\"{key}\""),
                _ => "null".to_owned(),
            };
            Event::StepDone {
                step,
                attempts: 1,
                output,
                inputs: None,
            }
        } else {
            let mut reason = Reason::new("error", "refused");
            reason.error = Some("null".to_owned());
            Event::StepRefused {
                step,
                attempts: 1,
                reason,
            }
        };
        (Item::Ends { key, event }, is_done)
    }

    fn one(&mut self, refused: &HashSet<String>, name: &'static str) -> Part {
        let (item, is_done) = self.step(refused, name);
        row_of([item], is_done)
    }

    pub(super) fn part(&mut self, refused: &HashSet<String>, ops: &[Op]) -> Part {
        let parts = ops.iter().map(|op| match op {
            Op::Work => self.one(refused, "work"),
            Op::Look => self.one(refused, "look"),
            Op::Mark => {
                let of = self.call("uuid", Kind::NothingToUndo);
                let (item, is_done) = self.step(refused, "mark");
                let key = match &item {
                    Item::Ends { key, .. } => key.clone(),
                    _ => String::new(),
                };
                row_of([Item::Given(of, key), item], is_done)
            }
            Op::Either => {
                let (risk, is_done) = self.step(refused, "risk");
                if is_done {
                    row_of([risk], true)
                } else {
                    let (look, is_done) = self.step(refused, "look");
                    row_of([risk, look], is_done)
                }
            }
            Op::Nap => {
                let sleep = self.call("sleep", Kind::NothingToUndo);
                row_of([Item::Sleeps(sleep.clone()), Item::Wakes(sleep)], true)
            }
            Op::Hear => {
                let mut wait = self.call("event", Kind::NothingToUndo);
                wait.name = format!("{}:{}", wait.name, HEARD.name()).into();
                row_of([Item::Listens(wait.clone()), Item::Hears(wait)], true)
            }
            Op::Pair => {
                let both = [self.one(refused, "work"), self.one(refused, "work")];
                beside(usize::MAX, both)
            }
            Op::Group(one, other) => {
                let one = self.inner(refused, one);
                let step = self.one(refused, "work");
                let other = self.inner(refused, other);
                beside(usize::MAX, [one, step, other])
            }
            Op::Both(one, other) => {
                let both = [self.inner(refused, one), self.inner(refused, other)];
                beside(usize::MAX, both)
            }
            Op::Inner(inner) => self.inner(refused, inner),
            Op::OrLook(_) | Op::OrWork(_) => unreachable!("programs with histories have none"),
            Op::Repeat(times, inner) => {
                let rounds = (0..*times)
                    .flat_map(|_| [self.one(refused, "work"), self.inner(refused, inner)]);
                Part::Row(rounds.collect())
            }
            Op::Each(limit, programs) => {
                let each = programs.iter().map(|ops| self.inner(refused, ops));
                beside(*limit, each.collect::<Vec<_>>())
            }
            Op::Many(limit, times) => {
                let each = (0..*times).map(|_| self.one(refused, "work"));
                beside(*limit, each.collect::<Vec<_>>())
            }
            Op::Fail => Part::Fails,
        });
        Part::Row(parts.collect())
    }
}

fn row_of<const N: usize>(items: [Item; N], is_done: bool) -> Part {
    let mut parts = VecDeque::from([Part::Items(items.into())]);
    if !is_done {
        parts.push_back(Part::Fails);
    }
    Part::Row(parts)
}

fn beside(limit: usize, parts: impl IntoIterator<Item = Part>) -> Part {
    Part::Beside {
        limit: if limit == 0 { usize::MAX } else { limit },
        active: Vec::new(),
        waiting: parts.into_iter().collect(),
        has_failed: false,
    }
}
