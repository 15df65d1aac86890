//! A model of a saga: plain loops over plain `Vec`s, without time, futures or types.

mod report;
mod steps;
mod world;

use saga_runtime::{Cause, CompensationFailure, CompensationOutcome};

pub(super) use self::report::{Failure, Report};
use self::steps::{ASKED, COMMIT, Kind, PEEK, PLAIN, RESOLVED, Spec, THANK};
use self::world::{Said, World};
use super::case::{Case, Options};
use super::errand::{Detour, Route, Turn};
use crate::participant::Refusal;

/// One saga that is played through.
pub(super) struct Model {
    world: World,
    options: Options,
    /// The names of the steps that were called, in order.
    called: Vec<&'static str>,
    /// The name of the last call.
    last: Option<String>,
    /// The steps that were done, with their keys.
    done: Vec<(Spec, String)>,
    compensations: Vec<(String, CompensationOutcome)>,
    only_forward: bool,
}

/// A step that did not succeed, or the body.
struct Failed {
    step: Option<&'static str>,
    cause: Cause<Refusal>,
    /// The body may handle it.
    is_handled: bool,
}

impl Model {
    pub(super) fn run(case: &Case) -> Report {
        let mut model = Self {
            world: World::new(case),
            options: case.options,
            called: Vec::new(),
            last: None,
            done: Vec::new(),
            compensations: Vec::new(),
            only_forward: false,
        };
        let ended = match model.body(&case.route) {
            Ok(done) => Ok(done),
            Err(failed) => Err(model.unwind(failed)),
        };
        model.world.report(ended, case.options)
    }

    fn body(&mut self, route: &Route) -> Result<Vec<String>, Failed> {
        let mut done = Vec::new();
        let mut path = vec![PLAIN];
        match route.detour {
            Detour::None => path.push(PEEK),
            Detour::Short => path.push(ASKED),
            Detour::Long => path.extend([ASKED, RESOLVED]),
        }
        match route.turn {
            Turn::Straight | Turn::Objects | Turn::Stumbles | Turn::Stops => {}
            Turn::Left => path.push(PLAIN),
            Turn::Right => path.extend([RESOLVED, ASKED]),
        }
        for step in path {
            self.step(step)?;
            if step.name != PEEK.name {
                done.push(step.name.to_owned());
            }
        }
        match route.turn {
            Turn::Objects => return Err(own(Cause::Error(Refusal::objection("turned")))),
            Turn::Stumbles => return Err(own(stumbled())),
            Turn::Stops => return Ok(done),
            Turn::Straight | Turn::Left | Turn::Right => {}
        }
        done.push(self.first_of([ASKED, RESOLVED, PLAIN])?.to_owned());
        let mut path = Vec::new();
        path.extend(route.commits.then_some(COMMIT));
        path.extend((0..route.thanks).map(|_| THANK));
        for step in path {
            self.step(step)?;
            done.push(step.name.to_owned());
        }
        if route.stumbles {
            return Err(own(stumbled()));
        }
        Ok(done)
    }

    /// Tries one step after the other; a refusal of all but the last is handled.
    fn first_of(&mut self, steps: [Spec; 3]) -> Result<&'static str, Failed> {
        let [handled @ .., last] = steps;
        for step in handled {
            match self.step(step) {
                Ok(()) => return Ok(step.name),
                Err(failed) if failed.is_handled => {}
                Err(failed) => return Err(in_doubt(failed)),
            }
        }
        self.step(last).map(|()| last.name)
    }

    fn step(&mut self, step: Spec) -> Result<(), Failed> {
        let occurrence = self
            .called
            .iter()
            .filter(|name| **name == step.name)
            .count();
        self.called.push(step.name);
        let key = format!("saga/{}/{occurrence}", step.name);
        self.last = Some(call_with(&key));
        if self.is_interrupted() {
            return Err(cancelled(step));
        }
        self.only_forward |= step.kind == Kind::Retriable;

        let mut attempt = 0;
        let mut was_in_doubt = false;
        let last = loop {
            attempt += 1;
            let said = self.world.ask(step, &key, attempt);
            was_in_doubt |= said.is_in_doubt();
            if said == Said::Done {
                return self.succeed(step, key);
            }
            let again =
                step.kind == Kind::Retriable || (said.is_transient() && attempt < step.attempts);
            if !again || self.is_interrupted() {
                break said;
            }
        };
        let gives_up = last.is_transient() && attempt < step.attempts;
        let cause = if gives_up {
            Cause::Cancelled
        } else {
            last.cause()
        };

        if was_in_doubt && step.has_resolver {
            let outcome = match self.undo(step, &key, "resolve") {
                CompensationOutcome::Compensated => CompensationOutcome::Resolved,
                failed => failed,
            };
            let is_handled = outcome == CompensationOutcome::Resolved;
            self.compensations.push((call_with(&key), outcome));
            return Err(failed(step, cause, is_handled));
        }
        let undoes = matches!(step.kind, Kind::Compensatable | Kind::Pivot);
        if last.is_in_doubt() && undoes {
            return self.ask_again(step, key, attempt, gives_up, last);
        }
        Err(failed(step, cause, true))
    }

    /// The step is asked under the same key until the answer is definite.
    fn ask_again(
        &mut self,
        step: Spec,
        key: String,
        mut attempt: u32,
        gives_up: bool,
        mut last: Said,
    ) -> Result<(), Failed> {
        let cause = |last: &Said| {
            if gives_up {
                Cause::Cancelled
            } else {
                last.cause()
            }
        };
        for _ in 0..step.settling {
            attempt += 1;
            let said = self.world.ask(step, &key, attempt);
            match &said {
                Said::Done if step.kind == Kind::Pivot => return self.succeed(step, key),
                Said::Done => {
                    self.done.push((step, key));
                    return Err(failed(step, cause(&last), false));
                }
                Said::Refused { .. } => return Err(failed(step, cause(&said), true)),
                Said::Unclear { .. } | Said::TimedOut | Said::Panicked { .. } => last = said,
            }
        }
        let failure = CompensationFailure::new(attempt, last.text());
        let outcome = CompensationOutcome::Failed(failure);
        self.compensations.push((call_with(&key), outcome));
        Err(failed(step, cause(&last), false))
    }

    fn succeed(&mut self, step: Spec, key: String) -> Result<(), Failed> {
        self.only_forward |= step.kind == Kind::Pivot;
        self.done.push((step, key));
        if self.is_interrupted() {
            return Err(cancelled(step));
        }
        Ok(())
    }

    fn is_interrupted(&self) -> bool {
        self.world.is_cancelled && !self.only_forward
    }

    fn unwind(&mut self, failed: Failed) -> Failure {
        let has_failed = |(_, outcome): &(String, CompensationOutcome)| {
            matches!(outcome, CompensationOutcome::Failed(_))
        };
        let done = std::mem::take(&mut self.done);
        let was_closed = done.iter().any(|(step, _)| step.closes());
        let may_be_closed =
            self.called.last() == Some(&COMMIT.name) && self.compensations.iter().any(has_failed);
        let is_past_pivot = was_closed || may_be_closed;
        let halts = self.options == Options::Halt;
        for (step, key) in done.into_iter().rev() {
            if step.kind != Kind::Compensatable {
                continue;
            }
            let halted = halts && self.compensations.iter().any(has_failed);
            let outcome = if is_past_pivot || halted {
                CompensationOutcome::Pending
            } else {
                self.undo(step, &key, "undo")
            };
            self.compensations.push((call_with(&key), outcome));
        }
        let compensations = std::mem::take(&mut self.compensations);
        let undone = |(_, outcome): &(String, CompensationOutcome)| {
            matches!(
                outcome,
                CompensationOutcome::Compensated | CompensationOutcome::Resolved
            )
        };
        Failure {
            call: failed.step.and(self.last.take()),
            cause: failed.cause,
            is_compensated: !is_past_pivot && compensations.iter().all(undone),
            compensations,
        }
    }

    /// A compensation or a resolver, with its attempts.
    fn undo(&mut self, step: Spec, key: &str, how: &str) -> CompensationOutcome {
        let mut last = String::new();
        for attempt in 1..=step.undo_attempts {
            match self.world.ask_to_undo(step, key, how, attempt) {
                Ok(()) => return CompensationOutcome::Compensated,
                Err(message) => last = message,
            }
        }
        CompensationOutcome::Failed(CompensationFailure::new(step.undo_attempts, last))
    }
}

/// The name of the call with this key: `plain#1` for `saga/plain/1`.
fn call_with(key: &str) -> String {
    let call = key.trim_start_matches("saga/");
    match call.split_once('/') {
        Some((step, "0")) => step.to_owned(),
        _ => call.replace('/', "#"),
    }
}

fn failed(step: Spec, cause: Cause<Refusal>, nothing_left: bool) -> Failed {
    Failed {
        step: Some(step.name),
        is_handled: nothing_left && matches!(cause, Cause::Error(_)),
        cause,
    }
}

fn cancelled(step: Spec) -> Failed {
    failed(step, Cause::Cancelled, false)
}

fn own(cause: Cause<Refusal>) -> Failed {
    Failed {
        step: None,
        cause,
        is_handled: false,
    }
}

fn stumbled() -> Cause<Refusal> {
    Cause::Panicked {
        message: "stumbled".to_owned(),
    }
}

/// Turns an error that the body can't handle into a failure in doubt.
fn in_doubt(failed: Failed) -> Failed {
    let cause = match failed.cause {
        Cause::Error(error) => Cause::InDoubt {
            message: error.to_string(),
        },
        cause => cause,
    };
    Failed { cause, ..failed }
}
