//! Requests for steps without a recorded outcome, up to the settled outcome.

use std::sync::atomic::AtomicBool;

use crate::attempts::{Control, Origin, PendingStep, Settlement, StepEnd, pursue};
use crate::engines::journaled::outcome::unrecordable;
use crate::engines::journaled::recorder::Suspension;
use crate::engines::journaled::replay::read_reason;
use crate::engines::journaled::surroundings::Around;
use crate::engines::journaled::{Journaled, call};
use crate::error::Reason;
use crate::journal::{Event, Settled, StepCall};
use crate::place::{Attempt, Position, Role};

impl Journaled {
    /// Requests a step without a recorded outcome.
    pub(super) async fn request(
        &self,
        position: Position<'_>,
        step: &mut dyn PendingStep,
    ) -> StepEnd<Suspension> {
        if let Err(suspension) = self.recorder.begin_effect() {
            return StepEnd::Suspended(suspension);
        }
        if let Err(suspension) = self.recorder.write().await {
            return StepEnd::Suspended(suspension);
        }
        if let Some(suspension) = self.recorder.stop() {
            return StepEnd::Suspended(suspension);
        }
        let meta = step.meta();
        let in_doubt = self.take_in_doubt(position.calls());
        let mut origin = match self.control.begin_request(step, in_doubt) {
            Ok(origin) => origin,
            Err(end) => return end,
        };
        if let Origin::Request = origin {
            let attempt = Attempt::new(position, Role::Action, 1);
            let first = step.attempt(&attempt, Some(self.limit(meta.timeout))).await;
            if let Some(end) = StepEnd::after_first(first, meta) {
                let end = self.note_end(call(position), 1, step, end, false);
                self.note_doubt(position, &end);
                return end;
            }
            origin = Origin::after_first(first);
        }
        self.pursue(position, step, origin).await
    }

    /// Pursues a step until its outcome is settled, and notes it.
    pub(super) async fn pursue(
        &self,
        position: Position<'_>,
        step: &mut dyn PendingStep,
        begin: Origin,
    ) -> StepEnd<Suspension> {
        if let Err(suspension) = self.recorder.begin_effect() {
            return StepEnd::Suspended(suspension);
        }
        let around = Around {
            engine: self,
            call: call(position),
            is_settling: AtomicBool::new(matches!(begin, Origin::Settling { .. })),
        };
        let (end, attempts) = pursue(step, begin, position, &around).await;
        let Around {
            call, is_settling, ..
        } = around;
        let is_settling = is_settling.into_inner();
        if let StepEnd::Suspended(_) = end {
            // The saga is suspended between two attempts, of which the first may have had an effect.
            self.set_in_doubt(position.calls(), !is_settling);
            return end;
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
    pub(super) async fn ask_pivot(
        &self,
        position: Position<'_>,
        step: &mut dyn PendingStep,
        reason: &Reason,
    ) -> Result<StepEnd<Suspension>, Suspension> {
        self.recorder.begin_effect()?;
        let around = Around {
            engine: self,
            call: call(position),
            is_settling: AtomicBool::new(true),
        };
        let (end, attempts) = pursue(step, Origin::InDoubt, position, &around).await;
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
            StepEnd::Stopped(_) | StepEnd::Refused => {
                (Settled::Nothing, StepEnd::Stopped(Settlement::Nothing))
            }
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
}
