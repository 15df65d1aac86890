//! Notes of the outcomes of steps and of the saga.

use crate::attempts::{Control, GiveUp, PendingStep, Settlement, StepEnd};
use crate::engines::journaled::Journaled;
use crate::engines::journaled::recorder::Suspension;
use crate::error::Reason;
use crate::journal::{Event, Settled, StepCall};
use crate::language::{Payload, record};

impl Journaled {
    /// Notes that the saga has completed, and gives the output that every later caller reads.
    pub(super) fn completed<T: Payload>(&self, output: &T) -> Result<T, Suspension> {
        self.replayed()?;
        if let Some(decision) = self.history.decision() {
            let reason = &decision.reason.message;
            return Err(self.changed(format_args!(
                "it completes, but is recorded as failed: {reason}"
            )));
        }
        let recorded = record(output, self.policies.payload_limit);
        let (output, back) = recorded.map_err(|message| {
            let message = format!("the result can't be recorded: {message}");
            Suspension::stuck("unrecordable", message)
        })?;
        self.recorder.note(Event::Completed { output });
        Ok(back)
    }

    /// Notes that a step is done.
    pub(super) fn done(
        &self,
        call: StepCall,
        attempts: u32,
        step: &mut dyn PendingStep,
    ) -> StepEnd<Suspension> {
        let kind = step.meta().kind;
        let inputs = step.inputs();
        match step.write_output(self.policies.payload_limit) {
            Ok(output) => self.recorder.note(Event::StepDone {
                step: call,
                attempts,
                output,
                inputs,
            }),
            Err(message) if kind.closes_the_way_back() => {
                return StepEnd::Suspended(unrecordable(&call, &message));
            }
            // The step is compensated while its output is still in memory. If the process ends before, the next process
            // asks the step for its output again.
            Err(message) => {
                step.give_up(GiveUp::unrecordable_output(&message));
                self.recorder.note(Event::StepInDoubt {
                    step: call,
                    attempts,
                    reason: step.reason(),
                });
                return StepEnd::Stopped(Settlement::Done);
            }
        }
        self.control.after_done(step)
    }

    /// Notes that a step has refused.
    pub(super) fn refused(
        &self,
        call: StepCall,
        attempts: u32,
        step: &mut dyn PendingStep,
    ) -> StepEnd<Suspension> {
        let reason = recorded_reason(step);
        self.recorder.note(Event::StepRefused {
            step: call,
            attempts,
            reason,
        });
        refusal(step)
    }

    /// Notes the fate of a step that was given up.
    pub(super) fn note_stopped(
        &self,
        call: StepCall,
        attempts: u32,
        step: &mut dyn PendingStep,
        settlement: &Settlement,
        is_settling: bool,
    ) {
        let settled = match settlement {
            // It was interrupted before an attempt could do anything: there is nothing to record.
            Settlement::Nothing if !is_settling && step.is_interrupted() => return,
            Settlement::Nothing if !is_settling => {
                let reason = step.reason();
                self.recorder.note(Event::StepRefused {
                    step: call,
                    attempts,
                    reason,
                });
                return;
            }
            // The refusal of a step that was asked again counts, unless the saga was stopped meanwhile.
            Settlement::Nothing => Settled::Nothing {
                refusal: step.has_refused().then(|| recorded_reason(step)),
            },
            Settlement::Resolved => Settled::Resolved,
            Settlement::Unresolved(failure) => Settled::Unresolved {
                attempts: failure.attempts,
                message: failure.message.clone(),
            },
            Settlement::Done => match step.write_output(self.policies.payload_limit) {
                Ok(output) => Settled::Done { output },
                // It stays in doubt. If the process ends before the compensation, the next process asks the step for
                // its output again.
                Err(_) => return,
            },
            Settlement::Skipped { .. } => return,
        };
        if !is_settling {
            let reason = step.reason();
            self.recorder.note(Event::StepInDoubt {
                step: call.clone(),
                attempts,
                reason,
            });
        }
        self.recorder.note(Event::StepSettled {
            step: call,
            settled,
        });
    }
}

/// The reason of a step that goes forward no more, as it is recorded. If the body handles its errors, and a replay could not read this
/// one, the body does not get it here either.
pub(super) fn recorded_reason(step: &mut dyn PendingStep) -> Reason {
    if let Err(message) = step.check_error() {
        step.give_up(GiveUp::unrecordable_error(&message));
    }
    step.reason()
}

/// The end of a step that has refused, or that was given up without an effect.
pub(super) fn refusal(step: &dyn PendingStep) -> StepEnd<Suspension> {
    if step.has_refused() {
        StepEnd::Refused
    } else {
        StepEnd::Stopped(Settlement::Nothing)
    }
}

pub(super) fn unrecordable(step: &StepCall, message: &str) -> Suspension {
    let message = format!("the output of step `{step}` can't be recorded: {message}");
    Suspension::stuck("unrecordable", message)
}
