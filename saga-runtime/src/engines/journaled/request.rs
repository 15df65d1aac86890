//! Requests steps whose outcome is not written down yet, and pursues them until it is settled.

use std::sync::atomic::AtomicBool;

use crate::attempts::{GiveUp, Origin, PendingStep, Settlement, StepEnd, Verdict, pursue};
use crate::engines::journaled::outcome::unrecordable;
use crate::engines::journaled::recorder::Suspension;
use crate::engines::journaled::replay::read_reason;
use crate::engines::journaled::surroundings::Around;
use crate::engines::journaled::{Journaled, call};
use crate::error::Reason;
use crate::journal::{Event, Settled};
use crate::meta::Kind;
use crate::place::{Attempt, Position, Role};

impl Journaled {
    /// Requests a step: nothing about its outcome is written down yet.
    pub(super) async fn request(
        &self,
        position: Position<'_>,
        step: &mut dyn PendingStep,
    ) -> StepEnd<Suspension> {
        if let Err(suspension) = self.recorder.write().await {
            return StepEnd::Suspended(suspension);
        }
        if self.recorder.tenure().shutdown.is_cancelled() {
            return StepEnd::Suspended(Suspension::Shutdown);
        }
        let meta = step.meta();
        let call = call(position);
        let in_doubt = self.take_in_doubt(position.calls());
        let begin = match self.control.interruption() {
            // One that only goes forward may be done, and can't be undone: it is too late.
            Some(_) if in_doubt && meta.kind == Kind::Retriable => {
                self.control.go_forward_only();
                Origin::InDoubt
            }
            Some(interruption) if in_doubt => Origin::Interrupted(interruption),
            Some(interruption) => {
                step.give_up(GiveUp::Interrupted(interruption));
                return StepEnd::Stopped(Settlement::Nothing);
            }
            None => {
                if meta.kind == Kind::Retriable {
                    self.control.go_forward_only();
                }
                if in_doubt {
                    Origin::InDoubt
                } else {
                    let attempt = Attempt::new(position, Role::Action, 1);
                    let limit = Some(self.limit(meta.timeout));
                    match step.attempt(&attempt, limit).await {
                        Verdict::Done => return self.done(call, 1, step),
                        answer if answer.is_definite(meta) => return self.refused(call, 1, step),
                        answer => Origin::After(answer),
                    }
                }
            }
        };
        self.pursue(position, step, begin).await
    }

    /// Pursues a step until its outcome is settled, and notes it.
    pub(super) async fn pursue(
        &self,
        position: Position<'_>,
        step: &mut dyn PendingStep,
        begin: Origin,
    ) -> StepEnd<Suspension> {
        let around = Around {
            engine: self,
            call: call(position),
            is_settling: AtomicBool::new(matches!(begin, Origin::Settling)),
        };
        let (end, attempts) = pursue(step, begin, position, &around).await;
        let Around {
            call, is_settling, ..
        } = around;
        let is_settling = is_settling.into_inner();
        match end {
            // Between two attempts, of which the first may have done something.
            StepEnd::Suspended(suspension) => {
                self.set_in_doubt(position.calls(), !is_settling);
                StepEnd::Suspended(suspension)
            }
            StepEnd::Done => self.done(call, attempts, step),
            StepEnd::Refused => self.refused(call, attempts, step),
            StepEnd::Stopped(settlement) => {
                self.note_stopped(call, attempts, step, &settlement, is_settling);
                StepEnd::Stopped(settlement)
            }
        }
    }

    /// Asks a pivot again that an operator wants to be asked again: if it was done after all, the saga goes forward. It was
    /// given up for the reason that is written down.
    pub(super) async fn ask_pivot(
        &self,
        position: Position<'_>,
        step: &mut dyn PendingStep,
        reason: &Reason,
    ) -> Result<StepEnd<Suspension>, Suspension> {
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
            self.control.go_forward_only();
        } else {
            read_reason(step, reason)?;
        }
        Ok(end)
    }
}
