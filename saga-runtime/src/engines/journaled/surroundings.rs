//! The engine's side of a pursuit: limits, waits, and the shutdown of the coordinator.

use std::borrow::Cow;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use crate::attempts::{
    AttemptReport, Backoff, BoxFuture, CompensationOrigin, LastError, PendingStep, Purpose,
    Surroundings, Verdict,
};
use crate::engines::journaled::Journaled;
use crate::engines::journaled::activity::Rest;
use crate::engines::journaled::outcome::recorded_reason;
use crate::engines::journaled::recorder::Suspension;
use crate::error::{Interruption, Reason};
use crate::journal::history::Failing;
use crate::journal::{Event, StepCall, Wakeup};
use crate::language::EventNames;
use crate::meta::{AttemptPhase, Kind, OnCompensationFailure, RetryDefaults, StepMeta};
use crate::place::{Attempt, Place, Position};

/// The engine's side of the pursuit of one step.
pub(super) struct Around<'a> {
    engine: &'a Journaled,
    pub(super) call: StepCall,
    pub(super) is_settling: AtomicBool,
    /// True if the saga is suspended between two attempts, and the history says so.
    pub(super) is_parked: AtomicBool,
    /// The number of processes that may have made an attempt of its resolver and have ended.
    crashes: u32,
    /// The recorded reason, if the saga was stopped from outside before the step got an answer: no later answer changes that.
    pub(super) stopped: Option<&'a Reason>,
    /// The time of the first failure of this phase.
    since: OnceLock<(AttemptPhase, SystemTime)>,
}

impl<'a> Around<'a> {
    pub(super) fn new(engine: &'a Journaled, call: StepCall, is_settling: bool) -> Self {
        Self {
            engine,
            call,
            is_settling: AtomicBool::new(is_settling),
            is_parked: AtomicBool::new(false),
            crashes: 0,
            stopped: None,
            since: OnceLock::new(),
        }
    }

    /// The resolver goes on after `crashes` processes that have ended.
    pub(super) fn after(self, crashes: u32) -> Self {
        Self { crashes, ..self }
    }

    /// The step went into doubt for this reason.
    pub(super) fn in_doubt_for(self, reason: &'a Reason) -> Self {
        let stopped = Some(reason).filter(|reason| Interruption::is_named(&reason.code));
        Self { stopped, ..self }
    }

    /// The recorded failures of the call in this phase.
    fn recorded(&self, phase: AttemptPhase) -> Option<&'a Failing> {
        self.engine.history.failing(&self.call, phase)
    }

    /// The point from which a compensation or a resolver is attempted, after `crashes` processes that have ended.
    pub(super) fn compensation_origin(
        &self,
        phase: AttemptPhase,
        crashes: u32,
    ) -> CompensationOrigin {
        match self.recorded(phase) {
            Some(failing) => CompensationOrigin::Resumed {
                attempts: failing.attempts.saturating_add(crashes),
                message: failing.reason.message.clone(),
                left: self.engine.time_until(failing.until),
            },
            None if crashes > 0 => CompensationOrigin::CutOff { attempts: crashes },
            None => CompensationOrigin::Start,
        }
    }

    /// Waits for `waiting` before another attempt. If the saga is suspended meanwhile, notes what was tried.
    async fn back_off<T>(
        &self,
        backoff: Backoff,
        last: LastError<'_>,
        is_interruptible: bool,
        waiting: impl Future<Output = T>,
    ) -> Result<T, Suspension> {
        let recorded = self.recorded(backoff.phase);
        if recorded.is_none_or(|failing| failing.attempts != backoff.attempts) {
            let attempts = &self.engine.policies.attempts;
            attempts.backs_off(&self.call.name, backoff.phase);
        }
        let until = match recorded {
            // The rest of the wait that is recorded.
            Some(failing) if failing.attempts == backoff.attempts => failing.until,
            _ => self.engine.time_after(backoff.delay),
        };
        let first = || (backoff.phase, self.engine.time_after(Duration::ZERO));
        let since = match (recorded, self.since.get_or_init(first)) {
            (Some(failing), _) => failing.since,
            (None, (phase, since)) if *phase == backoff.phase => *since,
            (None, _) => self.engine.time_after(Duration::ZERO),
        };
        // An attempt that is due is made now.
        let is_due = backoff.delay.is_zero();
        let rest_until = if is_interruptible {
            self.engine.or_deadline(Some(until))
        } else {
            Some(until)
        };
        let rest = self
            .engine
            .rest(rest_until, EventNames::default())
            .filter(|_| !is_due);
        let note = |last: LastError<'_>| {
            if recorded.is_none_or(|failing| failing.attempts != backoff.attempts) {
                self.engine.recorder.note(Event::Failing {
                    step: self.call.clone(),
                    phase: backoff.phase,
                    attempts: backoff.attempts,
                    earlier: backoff.earlier,
                    in_doubt: backoff.may_have_acted,
                    reason: without_data(last.reason()),
                    since,
                    until,
                });
            }
        };
        let made = backoff.attempts - backoff.earlier;
        if self.is_deferrable(backoff.phase)
            && !is_due
            && (rest.is_some() || made >= self.engine.policies.attempts_in_order)
        {
            note(last);
            self.engine.activity.defer(until);
            return Err(Suspension::Deferred);
        }
        let passed = self.engine.pass(rest, waiting).await;
        if let Err(
            Suspension::Asleep(_) | Suspension::Shutdown | Suspension::Called | Suspension::Paused,
        ) = passed
        {
            self.is_parked.store(true, Ordering::Relaxed);
            note(last);
        }
        passed
    }

    /// Returns true if the earlier steps do not wait for an attempt in this phase. A part of the saga whose failure the body
    /// handles waits for all of its compensations.
    fn is_deferrable(&self, phase: AttemptPhase) -> bool {
        self.engine.on_compensation_failure == OnCompensationFailure::Continue
            && self.call.kind == Kind::Compensatable
            && match phase {
                AttemptPhase::Forward => false,
                AttemptPhase::Settling | AttemptPhase::Resolving => true,
                AttemptPhase::Compensating => self.engine.goes_back.load(Ordering::Relaxed),
            }
    }
}

impl Surroundings<Suspension> for Around<'_> {
    fn limit(&self, own: Option<Duration>) -> Option<Duration> {
        Some(self.engine.limit(own))
    }

    fn ask<'b>(
        &'b self,
        step: &'b mut dyn PendingStep,
        attempt: Attempt<'b>,
        purpose: Purpose,
    ) -> BoxFuture<'b, Result<AttemptReport, Suspension>> {
        let limit = self.limit(self.policies(step.meta()).timeout);
        Box::pin(async move {
            let entered = self.engine.enter(step.meta()).await;
            if entered.is_err() {
                let phase = match purpose {
                    Purpose::Forward => AttemptPhase::Forward,
                    Purpose::Settling => AttemptPhase::Settling,
                };
                // The history has all attempts before this one.
                let recorded = self.recorded(phase);
                let is_known =
                    recorded.is_some_and(|one| one.attempts.saturating_add(1) == attempt.attempt());
                self.is_parked.store(is_known, Ordering::Relaxed);
            }
            let _permit = entered?;
            let phase = match purpose {
                Purpose::Forward => AttemptPhase::Forward,
                Purpose::Settling => AttemptPhase::Settling,
            };
            let verdict = self.engine.policies.attempts.time(
                &self.call.name,
                phase,
                step.attempt(&attempt, limit),
                |verdict| outcome_of(*verdict),
            );
            Ok(AttemptReport::from(verdict.await))
        })
    }

    fn compensate<'b>(
        &'b self,
        _: Attempt<'b>,
        compensator: BoxFuture<'b, Result<(), String>>,
    ) -> BoxFuture<'b, Result<(), String>> {
        if cfg!(not(feature = "metrics")) {
            return compensator;
        }
        let attempts = &self.engine.policies.attempts;
        let outcome = |ended: &Result<(), String>| match ended {
            Ok(()) => "done",
            Err(_) => "failed",
        };
        let phase = AttemptPhase::Compensating;
        Box::pin(attempts.time(&self.call.name, phase, compensator, outcome))
    }

    fn retry_defaults(&self) -> RetryDefaults {
        self.engine.policies.retries
    }

    fn policies(&self, step: &'static StepMeta) -> Cow<'static, StepMeta> {
        self.engine.holding(step)
    }

    fn exhausted(&self, attempts: u32, last: LastError<'_>) -> Option<Suspension> {
        let reason = without_data(last.reason());
        let message = format!(
            "step `{}` is given up after {attempts} attempts: {}",
            self.call, reason.message
        );
        let now = self.engine.time_after(Duration::ZERO);
        let recorded = self.recorded(AttemptPhase::Forward);
        self.engine.recorder.note(Event::Failing {
            step: self.call.clone(),
            phase: AttemptPhase::Forward,
            attempts,
            earlier: 0,
            in_doubt: true,
            reason,
            since: recorded.map_or(now, |failing| failing.since),
            until: now,
        });
        Some(Suspension::stuck("retries_exhausted", message))
    }

    fn wait<'b>(
        &'b self,
        backoff: Backoff,
        last: LastError<'b>,
    ) -> BoxFuture<'b, Result<Option<Interruption>, Suspension>> {
        // An interruption that is there already ends the wait before the saga can be suspended for it.
        let waiting = self.engine.control.wait_within(Some(backoff.delay));
        Box::pin(self.back_off(backoff, last, true, waiting))
    }

    fn pause<'b>(
        &'b self,
        backoff: Backoff,
        last: LastError<'b>,
    ) -> BoxFuture<'b, Result<(), Suspension>> {
        // Created when it is polled: a timer needs a runtime.
        let waiting = async move { tokio::time::sleep(backoff.delay).await };
        Box::pin(self.back_off(backoff, last, false, waiting))
    }

    fn resolver_origin(&self) -> CompensationOrigin {
        self.compensation_origin(AttemptPhase::Resolving, self.crashes)
    }

    fn begin_settling<'a>(
        &'a self,
        _: Position<'a>,
        attempts: u32,
        step: &'a mut dyn PendingStep,
    ) -> BoxFuture<'a, Result<(), Suspension>> {
        self.is_settling.store(true, Ordering::Relaxed);
        self.engine.recorder.note(Event::StepInDoubt {
            step: self.call.clone(),
            attempts,
            reason: recorded_reason(step),
        });
        Box::pin(self.engine.recorder.write())
    }
}

impl Journaled {
    /// The longest that an attempt may take.
    pub(super) fn limit(&self, own: Option<Duration>) -> Duration {
        own.unwrap_or(self.policies.attempt_timeout)
    }

    /// The number of attempts that earlier processes may have made of a call that was `in_doubt` when they ended.
    pub(super) fn crashes_of(&self, in_doubt: bool) -> u32 {
        if in_doubt { self.crashes } else { 0 }
    }

    /// The rest of a call that waits until then: `None` if it ends within patience, so that the saga stays in memory.
    pub(super) fn rest(&self, until: Option<SystemTime>, events: EventNames) -> Option<Rest> {
        let is_long = until.is_none_or(|until| self.time_until(until) > self.policies.patience);
        is_long.then_some(Rest { until, events })
    }

    /// Waits, unless the coordinator shuts down or an operator calls the saga first. With a `rest` the wait is long: the saga is suspended if all that
    /// it does is to wait.
    pub(super) async fn pass<T>(
        &self,
        rest: Option<Rest>,
        waiting: impl Future<Output = T>,
    ) -> Result<T, Suspension> {
        let waiting = self.recorder.unless_stopped(waiting);
        match rest {
            None => waiting.await,
            // The end of the saga has the time.
            Some(rest) => {
                let waited = self.activity.rest(rest, waiting).await;
                waited.unwrap_or(Err(Suspension::Asleep(Wakeup::WhenCalled)))
            }
        }
    }
}

/// The reason without the error's data.
fn without_data(mut reason: Reason) -> Reason {
    reason.error = None;
    reason
}

/// The verdict on an attempt, as a label.
pub(super) fn outcome_of(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Done => "done",
        Verdict::Refused { .. } => "refused",
        Verdict::InDoubt { .. } => "in_doubt",
    }
}
