//! A model of programs, made of plain `Vec`s.

use std::collections::{HashMap, HashSet};

use super::Ended;
use super::program::{Go, Op};

/// The end of a program, and its effects.
#[derive(Debug, PartialEq)]
pub(super) struct Expected {
    pub(super) ended: Ended,
    pub(super) naps: u64,
    /// The keys that steps are asked under, sorted.
    pub(super) asked: Vec<String>,
    /// The keys of steps after a failure in a fan-out. They may have begun beside it, or not.
    pub(super) perhaps: HashSet<String>,
    /// The keys that compensations are asked under, in order.
    pub(super) undone: Vec<String>,
    /// The keys of the effects that are left, sorted.
    pub(super) left: Vec<String>,
    /// The number of parts whose failure the body handles.
    pub(super) handled: u64,
}

struct Model<'a> {
    refused: &'a HashSet<String>,
    asked: Vec<String>,
    perhaps: HashSet<String>,
    /// The effects that have to be undone, in the order of the source.
    done: Vec<String>,
    /// The effects of failed parts, in the order in which they were undone.
    undone: Vec<String>,
    naps: u64,
    /// The number of parts of which the body handles the failure.
    handled: u64,
}

/// The body of one saga.
struct Body {
    path: String,
    called: HashMap<&'static str, u32>,
}

/// At which call of a step or of a saga inside it failed, if it was not its own code.
type Failed = Option<String>;

impl Expected {
    pub(super) fn of(program: &Go, refused: &HashSet<String>) -> Self {
        let mut model = Model {
            refused,
            asked: Vec::new(),
            perhaps: HashSet::new(),
            done: Vec::new(),
            undone: Vec::new(),
            naps: 0,
            handled: 0,
        };
        let mut body = Body {
            path: String::new(),
            called: HashMap::new(),
        };
        let ended = model.run(&mut body, &program.program);
        let Model {
            mut asked,
            perhaps,
            mut done,
            mut undone,
            naps,
            handled,
            ..
        } = model;
        asked.sort();
        if ended.is_ok() {
            done.sort();
        } else {
            undone.extend(done.drain(..).rev());
        }
        let undone = undone.iter().map(|key| format!("{key}/compensation"));
        let (undone, left) = (undone.collect(), done);
        Self {
            ended,
            naps,
            asked,
            perhaps,
            undone,
            left,
            handled,
        }
    }

    /// At least as many writes as the saga needs.
    pub(super) fn writes(&self) -> u64 {
        (self.asked.len() + self.undone.len() + 2) as u64 + 3 * (self.naps + self.handled)
    }
}

impl Body {
    fn occurrence(&mut self, name: &'static str) -> u32 {
        let called = self.called.entry(name).or_insert(0);
        *called += 1;
        *called - 1
    }

    fn inner(&mut self) -> Self {
        let path = match self.occurrence("go") {
            0 => format!("{}/go", self.path),
            occurrence => format!("{}/go#{occurrence}", self.path),
        };
        Self {
            path,
            called: HashMap::new(),
        }
    }
}

impl Body {
    /// The failure of its own code.
    fn itself(&self) -> Failed {
        self.path.strip_prefix('/').map(str::to_owned)
    }
}

impl Model<'_> {
    fn run(&mut self, body: &mut Body, ops: &[Op]) -> Result<u32, Failed> {
        let mut count = 0;
        for op in ops {
            count += match op {
                Op::Work => self.step(body, "work")?,
                Op::Look => self.step(body, "look")?,
                Op::Mark => self.step(body, "mark")?,
                Op::Either => match self.step(body, "risk") {
                    Ok(done) => done,
                    Err(_) => self.step(body, "look")?,
                },
                Op::Nap => {
                    self.naps += 1;
                    0
                }
                Op::Hear => {
                    self.naps += 1;
                    1
                }
                Op::Pair => {
                    let (one, other) = (self.step(body, "work"), self.step(body, "work"));
                    one? + other?
                }
                Op::Group(one, other) => {
                    let one = self.run(&mut body.inner(), one);
                    let step = self.step(body, "work");
                    let other = self.run(&mut body.inner(), other);
                    at_once([one, step, other])?
                }
                Op::Both(one, other) => {
                    let one = self.run(&mut body.inner(), one);
                    let other = self.run(&mut body.inner(), other);
                    at_once([one, other])?
                }
                Op::Inner(inner) => self.run(&mut body.inner(), inner)?,
                Op::OrLook(inner) => {
                    let part =
                        |model: &mut Self, body: &mut Body| model.run(&mut body.inner(), inner);
                    match self.part(body, part) {
                        Ok(done) => done,
                        Err(_) => self.step(body, "look")?,
                    }
                }
                Op::OrWork(inner) => {
                    let part = |model: &mut Self, body: &mut Body| {
                        let inner = model.run(&mut body.inner(), inner);
                        let step = model.step(body, "work");
                        at_once([inner, step])
                    };
                    match self.part(body, part) {
                        Ok(done) => done,
                        Err(_) => self.step(body, "work")?,
                    }
                }
                Op::Repeat(times, inner) => {
                    let mut done = 0;
                    for _ in 0..*times {
                        done += self.step(body, "work")?;
                        done += self.run(&mut body.inner(), inner)?;
                    }
                    done
                }
                Op::Each(_, programs) => {
                    let inner =
                        |model: &mut Self, program: &Vec<Op>| model.run(&mut body.inner(), program);
                    self.each(programs, inner)?
                }
                Op::Many(_, times) => self.each(0..*times, |model, _| model.step(body, "work"))?,
                Op::Fail => return Err(body.itself()),
            };
        }
        Ok(count)
    }

    /// A part of which the body handles the failure: it is undone first, last first.
    fn part(
        &mut self,
        body: &mut Body,
        run: impl FnOnce(&mut Self, &mut Body) -> Result<u32, Failed>,
    ) -> Result<u32, Failed> {
        let before = self.done.len();
        let ended = run(self, body);
        self.handled += 1;
        if ended.is_err() {
            self.undone.extend(self.done.drain(before..).rev());
        }
        ended
    }

    /// Parts after the first failure may have begun beside it.
    fn each<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut call: impl FnMut(&mut Self, T) -> Result<u32, Failed>,
    ) -> Result<u32, Failed> {
        let mut ended = Ok(0);
        for item in items {
            let before = self.asked.len();
            let one = call(self, item);
            match &mut ended {
                Ok(count) => match one {
                    Ok(one) => *count += one,
                    Err(failed) => ended = Err(failed),
                },
                Err(_) => self.perhaps.extend(self.asked[before..].iter().cloned()),
            }
        }
        ended
    }

    fn step(&mut self, body: &mut Body, name: &'static str) -> Result<u32, Failed> {
        let occurrence = body.occurrence(name);
        let name_in_saga = format!("{}/{name}", body.path);
        let key = format!("saga{name_in_saga}/{occurrence}");
        self.asked.push(key.clone());
        if self.refused.contains(&key) {
            let call = name_in_saga.trim_start_matches('/');
            return Err(Some(match occurrence {
                0 => call.to_owned(),
                occurrence => format!("{call}#{occurrence}"),
            }));
        }
        if matches!(name, "work" | "risk") {
            self.done.push(key);
            return Ok(1);
        }
        Ok(0)
    }
}

/// All have ended; the first failure in the order of the source counts.
fn at_once<const N: usize>(ended: [Result<u32, Failed>; N]) -> Result<u32, Failed> {
    ended.into_iter().sum()
}
