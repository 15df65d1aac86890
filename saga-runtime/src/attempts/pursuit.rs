//! The pursuit of one step as a machine without I/O and without a clock: it says what to do next, `drive.rs` does it.
//!
//! ```text
//!           ┌────── Wait ◀───────┐ again
//!           ▼                    │
//! start ─▶ Attempt (forward) ────┼─ done, refused ───────────────────────────▶ End
//!                                │
//!                                └─ stopped ─▶ InDoubt ─▶ Resolve ───────────▶ End
//!                                                 └─────▶ Attempt (settling) ─▶ End
//!                                                           ▲         │
//!                                                           └─ Pause ◀┘ no answer
//! ```

use std::borrow::Cow;
use std::iter::Peekable;
use std::time::Duration;

use crate::attempts::decision::{AfterAttempt, DoubtPlan, after_attempt, doubt_plan};
use crate::attempts::{AttemptOutcome, AttemptReport, Backoff, Purpose, Settlement, Verdict};
use crate::error::{CompensationFailure, Interruption};
use crate::meta::{AttemptPhase, Backoffs, Kind, RetryDefaults, StepMeta};

/// The point from which a step is pursued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Nothing is known here: [`Surroundings::ask`](crate::engine::Surroundings::ask) makes the first attempt or reads it.
    Request,
    /// Attempts were made already, in the body of the saga or before the step was parked. The next command is the wait that
    /// follows them, if one does.
    Attempted {
        /// Their number, at least 1.
        attempts: u32,
        /// The answer to the last one. The step itself has its output or its error.
        last: Verdict,
        /// True if one of them may have had an effect.
        may_have_acted: bool,
    },
    /// The saga was released between two attempts. The next command is the wait for the time that is left.
    Resumed {
        /// The number of attempts that were made, at least 1.
        attempts: u32,
        /// True if one of them may have had an effect.
        may_have_acted: bool,
        /// The time until the next attempt.
        left: Duration,
    },
    /// An earlier process may have requested the step, and the answer is lost.
    InDoubt {
        /// The number of attempts that may have been made.
        attempts: u32,
    },
    /// An earlier process may have requested the step, and the saga is interrupted before it can be requested again.
    Interrupted(Interruption),
    /// The step was given up for a recorded reason and only has to be settled.
    Settling {
        /// The number of attempts before it was given up.
        earlier: u32,
        /// The number of attempts that were made to settle it, before it was parked.
        attempts: u32,
        /// The time until the next attempt, if it is known.
        left: Option<Duration>,
    },
}

impl Origin {
    /// The first attempt was made, with this answer.
    #[must_use]
    pub const fn after_first(answer: Verdict) -> Self {
        Self::Attempted {
            attempts: 1,
            last: answer,
            may_have_acted: false,
        }
    }
}

/// The next thing to do for a step.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Make this attempt, or read it, and report it with [`Pursuit::heard`].
    Attempt {
        /// Its number, counted from 1.
        number: u32,
        purpose: Purpose,
    },
    /// Wait before the next attempt forward, and report with [`Pursuit::waited`].
    Wait(Duration),
    /// Wait before the next attempt to settle the step, and report with [`Pursuit::paused`].
    Pause(Duration),
    /// The step stays in doubt. Record that it does not go forward any more, if `is_final`, and go on with
    /// [`Pursuit::settle`].
    InDoubt { is_final: bool },
    /// The policy of a retriable step allows no more attempts. Suspend the saga, or go on with [`Pursuit::persist`].
    Exhausted,
    /// Run the resolver, and report with [`Pursuit::resolved`].
    Resolve,
    /// Nothing more.
    End(PursuitEnd),
}

/// The end of a pursuit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PursuitEnd {
    /// The step is done.
    Done,
    /// The step refused, and nothing has happened.
    Refused,
    /// The step was stopped, and its effect was settled.
    Stopped(Settlement),
    /// The step was stopped, and no attempt to settle it got an answer.
    Unanswered,
}

/// One step on the way from its first attempt to a settled outcome.
#[derive(Debug)]
pub(crate) struct Pursuit {
    step: Cow<'static, StepMeta>,
    defaults: RetryDefaults,
    purpose: Purpose,
    attempts: u32,
    /// The waits between the attempts of this purpose that are still to come.
    waits: Peekable<Backoffs>,
    /// The last answer on the way forward.
    last: Option<Verdict>,
    may_have_acted: bool,
    interruption: Option<Interruption>,
    /// True if it is recorded already that the step does not go forward any more.
    is_final: bool,
    plan: DoubtPlan,
    /// The number of attempts to settle it that were made before.
    settling_attempts: u32,
    /// The number of attempts before those of this purpose.
    earlier: u32,
    /// The rest of the wait in which the step was parked.
    left: Option<Duration>,
}

impl Pursuit {
    pub(crate) fn start(
        step: Cow<'static, StepMeta>,
        defaults: RetryDefaults,
        origin: Origin,
    ) -> (Self, Command) {
        let (attempts, settling_attempts) = match origin {
            Origin::Attempted { attempts, .. }
            | Origin::Resumed { attempts, .. }
            | Origin::InDoubt { attempts } => (attempts, 0),
            Origin::Settling {
                earlier, attempts, ..
            } => (earlier.saturating_add(attempts), attempts),
            Origin::Request | Origin::Interrupted(_) => (0, 0),
        };
        // The wait after these attempts is over, or begun.
        let next = match origin {
            Origin::Resumed { .. } => attempts.saturating_add(1),
            _ => attempts,
        };
        let waits = step.forward_retry_by(defaults).backoffs_after(next);
        let mut pursuit = Self {
            step,
            defaults,
            purpose: Purpose::Forward,
            attempts,
            waits: waits.peekable(),
            last: None,
            may_have_acted: false,
            interruption: None,
            is_final: false,
            plan: DoubtPlan::Leave,
            settling_attempts,
            earlier: 0,
            left: None,
        };
        let command = pursuit.first_command(origin);
        (pursuit, command)
    }

    fn first_command(&mut self, origin: Origin) -> Command {
        match origin {
            Origin::Request => self.attempt(),
            Origin::Attempted {
                last,
                may_have_acted,
                ..
            } => {
                self.may_have_acted = may_have_acted;
                self.answered(last)
            }
            // The first attempt of this process may be a later one: a refusal of it does not say that nothing has happened.
            Origin::InDoubt { .. } => {
                self.may_have_acted = true;
                self.attempt()
            }
            Origin::Interrupted(interruption) => {
                self.may_have_acted = true;
                self.interruption = Some(interruption);
                self.stop(AfterAttempt::Settle)
            }
            Origin::Resumed {
                may_have_acted,
                left,
                ..
            } => {
                self.may_have_acted = may_have_acted;
                self.last = Some(if may_have_acted {
                    Verdict::NONE
                } else {
                    Verdict::Refused { transient: true }
                });
                Command::Wait(left)
            }
            Origin::Settling { left, .. } => {
                self.left = left;
                self.may_have_acted = true;
                self.is_final = true;
                self.stop(AfterAttempt::Settle)
            }
        }
    }

    /// The number of attempts so far.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// What was tried before a wait for `delay`.
    pub(crate) fn backoff(&self, delay: Duration) -> Backoff {
        Backoff {
            delay,
            phase: match self.purpose {
                Purpose::Forward => AttemptPhase::Forward,
                Purpose::Settling => AttemptPhase::Settling,
            },
            attempts: self.attempts,
            earlier: self.earlier,
            may_have_acted: self.may_have_acted,
        }
    }

    /// The reason for which the step is given up, if it was stopped from outside: it overrides the error of any attempt.
    pub(crate) fn interruption(&self) -> Option<Interruption> {
        self.interruption
    }

    /// An attempt has ended.
    pub(crate) fn heard(&mut self, report: AttemptReport) -> Command {
        match (self.purpose, report.outcome) {
            (Purpose::Forward, AttemptOutcome::Verdict(answer)) => {
                self.may_have_acted |= report.is_repeated;
                self.answered(answer)
            }
            (Purpose::Forward, AttemptOutcome::Interrupted(interruption)) => {
                self.may_have_acted |= report.is_repeated;
                // An attempt without an answer that an earlier process may have made is in doubt. Otherwise it was not made.
                let next = if report.is_repeated {
                    AfterAttempt::Settle
                } else {
                    self.last_answer_stands()
                };
                self.interruption = Some(interruption);
                self.stop(next)
            }
            (Purpose::Settling, AttemptOutcome::Verdict(Verdict::Done)) => {
                // A pivot can't be undone, so the saga goes on from here.
                Command::End(if self.step.kind == Kind::Pivot {
                    PursuitEnd::Done
                } else {
                    PursuitEnd::Stopped(Settlement::Done)
                })
            }
            (Purpose::Settling, AttemptOutcome::Verdict(Verdict::Refused { .. })) => {
                Command::End(PursuitEnd::Stopped(Settlement::Nothing))
            }
            // Nothing interrupts the attempts to settle a step: an interruption is no answer.
            (Purpose::Settling, _) => self.pause(),
        }
    }

    /// The wait before the next attempt forward has ended.
    pub(crate) fn waited(&mut self, interruption: Option<Interruption>) -> Command {
        if interruption.is_none() {
            return self.attempt();
        }
        self.interruption = interruption;
        self.stop(self.last_answer_stands())
    }

    /// The step is attempted further, although its policy allows no more attempts.
    pub(crate) fn persist(&self) -> Command {
        Command::Wait(self.step.forward_retry_by(self.defaults).longest_wait())
    }

    /// The wait before the next attempt to settle the step has ended.
    pub(crate) fn paused(&mut self) -> Command {
        self.attempt()
    }

    /// It is recorded that the step does not go forward any more, where that is to be recorded.
    pub(crate) fn settle(&mut self) -> Command {
        match self.plan {
            DoubtPlan::Leave => Command::End(PursuitEnd::Stopped(Settlement::Nothing)),
            DoubtPlan::Resolve => Command::Resolve,
            DoubtPlan::AskAgain => {
                let policy = self.step.settling_retry(self.defaults);
                self.purpose = Purpose::Settling;
                self.earlier = self.attempts.saturating_sub(self.settling_attempts);
                self.waits = policy.backoffs_after(self.settling_attempts).peekable();
                match self.settling_attempts {
                    0 => self.attempt(),
                    _ => self.pause(),
                }
            }
        }
    }

    /// The resolver has ended.
    pub(crate) fn resolved(resolved: Result<(), CompensationFailure>) -> Command {
        Command::End(PursuitEnd::Stopped(match resolved {
            Ok(()) => Settlement::Resolved,
            Err(failure) => Settlement::Unresolved(failure),
        }))
    }

    fn attempt(&mut self) -> Command {
        self.attempts = self.attempts.saturating_add(1);
        Command::Attempt {
            number: self.attempts,
            purpose: self.purpose,
        }
    }

    /// The next wait before an attempt to settle the step, as long as its policy allows one.
    fn pause(&mut self) -> Command {
        let wait = self.waits.next();
        match self.left.take().or(wait) {
            Some(wait) => Command::Pause(wait),
            None => Command::End(PursuitEnd::Unanswered),
        }
    }

    /// An attempt forward got this answer.
    fn answered(&mut self, answer: Verdict) -> Command {
        self.last = Some(answer);
        self.may_have_acted |= matches!(answer, Verdict::InDoubt { .. });
        match after_attempt(self.step.kind, answer, self.waits.peek().is_some()) {
            AfterAttempt::Proceed => Command::End(PursuitEnd::Done),
            AfterAttempt::Again => match self.waits.next() {
                Some(wait) => Command::Wait(wait),
                None => Command::Exhausted,
            },
            next => self.stop(next),
        }
    }

    /// No other attempt follows, so the last answer stands.
    fn last_answer_stands(&self) -> AfterAttempt {
        let stands = |last| after_attempt(self.step.kind, last, false);
        self.last.map_or(AfterAttempt::Refuse, stands)
    }

    /// The step does not go forward any more.
    fn stop(&mut self, next: AfterAttempt) -> Command {
        let kind = self.step.kind;
        if self.may_have_acted {
            self.plan = doubt_plan(kind, self.step.resolver.is_some(), next);
        }
        if self.plan != DoubtPlan::Leave {
            // A pivot in doubt is only asked again, and goes forward if it was done: nothing is decided yet.
            let is_final = !self.is_final && kind != Kind::Pivot;
            return Command::InDoubt { is_final };
        }
        Command::End(
            if next == AfterAttempt::Refuse && self.interruption.is_none() {
                PursuitEnd::Refused
            } else {
                PursuitEnd::Stopped(Settlement::Nothing)
            },
        )
    }
}

#[cfg(test)]
mod tests;
