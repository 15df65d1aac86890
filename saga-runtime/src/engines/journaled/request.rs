//! Requests for steps without a recorded outcome, up to the settled outcome.

use std::time::Duration;

use crate::attempts::{Control, Origin, PendingStep, Settlement, StepEnd, pursue};
use crate::engines::journaled::outcome::unrecordable;
use crate::engines::journaled::recorder::Suspension;
use crate::engines::journaled::replay::read_reason;
use crate::engines::journaled::surroundings::{Around, outcome_of};
use crate::engines::journaled::{Journaled, call};
use crate::error::{CompensationFailure, Reason};
use crate::journal::history::Failing;
use crate::journal::{Event, Settled, StepCall};
use crate::meta::{AttemptPhase, Kind};
use crate::place::{Attempt, Position, Role};

impl Journaled {
    /// Requests a step without a recorded outcome. What only a few requests need is behind a pointer: each saga in flight holds the future
    /// of one.
    pub(super) async fn request(
        &self,
        position: Position<'_>,
        step: &mut dyn PendingStep,
    ) -> StepEnd<Suspension> {
        if let Err(suspension) = self.recorder.begin_effect() {
            return StepEnd::Suspended(suspension);
        }
        // A saga that is handed over is released together with what it has noted.
        if let Some(suspension) = self.recorder.stop() {
            return StepEnd::Suspended(suspension);
        }
        if let Err(suspension) = self.recorder.write().await {
            return StepEnd::Suspended(suspension);
        }
        if let Some(suspension) = self.recorder.stop() {
            return StepEnd::Suspended(suspension);
        }
        let in_doubt = self.take_in_doubt(position.calls());
        let called = call(position);
        let crashes = self.crashes_of(in_doubt);
        for phase in [AttemptPhase::Forward, AttemptPhase::Settling] {
            if let Some(failing) = self.history.failing(&called, phase) {
                let going_on = self.go_on(position, step, failing, in_doubt, crashes);
                return Box::pin(going_on).await;
            }
        }
        let mut origin = match self.control.begin_request(step, in_doubt) {
            Ok(Origin::InDoubt { .. }) => Origin::InDoubt { attempts: crashes },
            Ok(origin) => origin,
            Err(end) => return end,
        };
        if let Origin::Request = origin {
            let attempt = Attempt::new(position, Role::Action, 1);
            let permit = match self.enter(step.meta()).await {
                Ok(permit) => permit,
                Err(suspension) => return StepEnd::Suspended(suspension),
            };
            let limit = self.limit(self.holding(step.meta()).timeout);
            let first = self.policies.attempts.time(
                step.meta().name,
                AttemptPhase::Forward,
                step.attempt(&attempt, Some(limit)),
                |verdict| outcome_of(*verdict),
            );
            let first = first.await;
            drop(permit);
            if let Some(end) = StepEnd::after_first(first, &self.holding(step.meta())) {
                let end = self.note_end(called, 1, step, end, false);
                self.note_doubt(position, &end);
                return end;
            }
            origin = Origin::after_first(first);
        }
        let around = Around::new(self, called, false);
        Box::pin(self.pursue(position, step, origin, around)).await
    }

    /// Settles a step that is recorded as in doubt for this reason, after `crashes` processes that have ended.
    pub(super) async fn settle(
        &self,
        position: Position<'_>,
        step: &mut dyn PendingStep,
        reason: &Reason,
        crashes: u32,
    ) -> Result<StepEnd<Suspension>, Suspension> {
        if step.meta().kind == Kind::Pivot {
            return self.ask_pivot(position, step, reason).await;
        }
        let called = call(position);
        let failing = self.history.failing(&called, AttemptPhase::Settling);
        let origin = self.settling(failing, crashes);
        let around = Around::new(self, called, true)
            .after(crashes)
            .in_doubt_for(reason);
        Ok(self.pursue(position, step, origin, around).await)
    }

    /// Goes on with a step whose attempts have failed before the saga was released.
    async fn go_on(
        &self,
        position: Position<'_>,
        step: &mut dyn PendingStep,
        failing: &Failing,
        in_doubt: bool,
        crashes: u32,
    ) -> StepEnd<Suspension> {
        match step.meta().kind {
            Kind::Retriable => self.control.way_back().close(),
            // A saga that is stopped already is interrupted before the next attempt.
            Kind::Pivot => drop(self.control.way_back().begin_to_close()),
            Kind::Compensatable | Kind::NothingToUndo => {}
        }
        if let Err(suspension) = read_reason(step, &failing.reason) {
            return StepEnd::Suspended(suspension);
        }
        let origin = if failing.phase == AttemptPhase::Settling {
            self.settling(Some(failing), crashes)
        } else {
            Origin::Resumed {
                attempts: failing.attempts.saturating_add(crashes),
                may_have_acted: failing.in_doubt || in_doubt,
                left: self.time_until(failing.until),
            }
        };
        // A pivot is asked again, and is not recorded as in doubt.
        let around = Around::new(self, call(position), false);
        self.pursue(position, step, origin, around).await
    }

    /// Pursues a step until its outcome is settled, and notes it.
    async fn pursue(
        &self,
        position: Position<'_>,
        step: &mut dyn PendingStep,
        begin: Origin,
        around: Around<'_>,
    ) -> StepEnd<Suspension> {
        if let Err(suspension) = self.recorder.begin_effect() {
            return StepEnd::Suspended(suspension);
        }
        let (end, attempts) = pursue(step, begin, position, &around).await;
        let Around {
            call,
            is_settling,
            is_parked,
            stopped,
            ..
        } = around;
        let is_settling = is_settling.into_inner();
        if let StepEnd::Suspended(Suspension::Deferred) = end {
            // The step stays in doubt. The saga is undone as far as it can be, and is suspended then.
            let failure = CompensationFailure::new(attempts, step.reason().message);
            return StepEnd::Stopped(Settlement::Unresolved(failure));
        }
        if let StepEnd::Suspended(_) = end {
            // The saga is suspended between two attempts, of which the first may have had an effect. If the history has
            // the attempts, it says so.
            let is_known = is_settling || is_parked.into_inner();
            self.set_in_doubt(position.calls(), !is_known);
            return end;
        }
        if let Some(reason) = stopped
            && let Err(suspension) = read_reason(step, reason)
        {
            return StepEnd::Suspended(suspension);
        }
        let end = self.note_end(call, attempts, step, end, is_settling);
        self.note_doubt(position, &end);
        end
    }

    /// Notes the doubt about a step that was requested, if its outcome can't be recorded.
    fn note_doubt(&self, position: Position<'_>, end: &StepEnd<Suspension>) {
        if let StepEnd::Suspended(_) = end {
            self.set_in_doubt(position.calls(), true);
        }
    }

    /// Notes the end of a step.
    fn note_end(
        &self,
        call: StepCall,
        attempts: u32,
        step: &mut dyn PendingStep,
        end: StepEnd<Suspension>,
        is_settling: bool,
    ) -> StepEnd<Suspension> {
        match end {
            StepEnd::Done => self.done(call, attempts, step),
            StepEnd::Refused => self.refused(call, attempts, step),
            StepEnd::Stopped(settlement) => {
                self.note_stopped(call, attempts, step, &settlement, is_settling);
                StepEnd::Stopped(settlement)
            }
            suspended @ StepEnd::Suspended(_) => suspended,
        }
    }

    /// Asks a pivot again at the request of an operator. If it was done after all, the saga goes forward. Otherwise the
    /// recorded `reason` stands.
    async fn ask_pivot(
        &self,
        position: Position<'_>,
        step: &mut dyn PendingStep,
        reason: &Reason,
    ) -> Result<StepEnd<Suspension>, Suspension> {
        self.recorder.begin_effect()?;
        let around = Around::new(self, call(position), true);
        // It is recorded as in doubt: none of these attempts goes forward, and what fails is recorded as such.
        let failing = self.history.failing(&around.call, AttemptPhase::Settling);
        let origin = self.settling(failing, 0);
        let (end, attempts) = pursue(step, origin, position, &around).await;
        let call = around.call;
        let (settled, end) = match end {
            StepEnd::Done => match step.write_output(self.policies.payload_limit) {
                Ok(output) => (Settled::Done { output }, StepEnd::Done),
                Err(message) => return Err(unrecordable(&call, &message)),
            },
            StepEnd::Stopped(Settlement::Unresolved(failure)) => {
                let settled = Settled::Unresolved {
                    attempts,
                    message: failure.message.clone(),
                };
                (settled, StepEnd::Stopped(Settlement::Unresolved(failure)))
            }
            StepEnd::Stopped(_) | StepEnd::Refused => (
                Settled::Nothing { refusal: None },
                StepEnd::Stopped(Settlement::Nothing),
            ),
            suspended @ StepEnd::Suspended(_) => return Ok(suspended),
        };
        self.recorder.note(Event::StepSettled {
            step: call,
            settled,
        });
        if let StepEnd::Done = end {
            self.control.way_back().close();
        } else {
            read_reason(step, reason)?;
        }
        Ok(end)
    }
    /// The origin of a step in doubt that is settled, after what was tried before and `crashes` processes that have ended.
    pub(super) fn settling(&self, failing: Option<&Failing>, crashes: u32) -> Origin {
        let Some(failing) = failing else {
            return Origin::Settling {
                earlier: 0,
                attempts: crashes,
                left: (crashes > 0).then_some(Duration::ZERO),
            };
        };
        Origin::Settling {
            earlier: failing.earlier,
            attempts: (failing.attempts - failing.earlier.min(failing.attempts))
                .saturating_add(crashes),
            left: Some(self.time_until(failing.until)),
        }
    }
}
