//! Notes what has become of a step, and of the saga.

use super::{Journaled, stopped_for};
use crate::engine::{ErrorRecord, Settlement, StepEnd, Stopped, Why};
use crate::journal::{Event, Settled, StepCall};
use crate::payload::Payload;
use crate::recorder::LetGo;
use crate::step::{Kind, Step};

impl Journaled {
    /// Notes that the saga has completed.
    pub(super) fn completed(&self, output: &impl Payload) -> Result<(), LetGo> {
        self.replayed()?;
        if let Some(decision) = self.history.decision() {
            let reason = &decision.reason.message;
            return Err(self.changed(format_args!(
                "it completes, but is written down as failed: {reason}"
            )));
        }
        let output = self.payload(output).map_err(|message| {
            let message = format!("the result can't be written down: {message}");
            LetGo::stuck("unrecordable", message)
        })?;
        self.recorder.note(Event::Completed { output });
        Ok(())
    }

    /// Notes that a step is done.
    pub(super) fn done<S: Step>(
        &self,
        step: StepCall,
        attempts: u32,
        output: S::Output,
    ) -> StepEnd<S::Output, S::Error, LetGo> {
        let only_forward = matches!(S::META.kind, Kind::Pivot | Kind::Retriable);
        match self.payload(&output) {
            Ok(json) => self.recorder.note(Event::StepDone {
                step,
                attempts,
                output: json,
            }),
            Err(message) if only_forward => {
                return StepEnd::Suspended(unrecordable(&step, &message));
            }
            // What the step has done is undone while its output is still here. If the process ends before, the step is
            // asked for its output again.
            Err(message) => {
                let why = Why::<S::Error>::Unrecordable { message };
                let reason = why.reason(ErrorRecord::Text);
                self.recorder.note(Event::StepInDoubt {
                    step,
                    attempts,
                    reason,
                });
                return stopped_for(why, Settlement::Done(output));
            }
        }
        if S::META.kind == Kind::Pivot {
            self.control.go_forward_only();
        }
        match self.control.interruption() {
            None => StepEnd::Done(output),
            // The saga was stopped during the attempt: what that has done is undone with the rest.
            Some(interruption) => StepEnd::interrupted(interruption, Settlement::Done(output)),
        }
    }

    /// Notes that a step has refused.
    pub(super) fn refused<S: Step>(
        &self,
        step: StepCall,
        attempts: u32,
        error: S::Error,
        errors: ErrorRecord<S::Error>,
    ) -> StepEnd<S::Output, S::Error, LetGo> {
        // The body handles the error, but a replay could not: it is not given to the body the first time either.
        let why = match errors.write(&error) {
            Some(Err(unwritten)) => {
                let message = unwritten.to_string();
                Why::Unrecordable { message }
            }
            _ => Why::Error(error),
        };
        self.recorder.note(Event::StepRefused {
            step,
            attempts,
            reason: why.reason(errors),
        });
        match why {
            Why::Error(error) => StepEnd::Refused(error),
            why => stopped_for(why, Settlement::Nothing),
        }
    }

    /// Notes what has become of a step that was given up.
    pub(super) fn note_stopped<S: Step>(
        &self,
        step: StepCall,
        attempts: u32,
        stopped: &Stopped<S::Output, S::Error>,
        errors: ErrorRecord<S::Error>,
        is_settling: bool,
    ) {
        let settled = match &stopped.settlement {
            // It was interrupted before an attempt could do anything: there is nothing to say about it.
            Settlement::Nothing if !is_settling && matches!(stopped.why, Why::Interrupted(_)) => {
                return;
            }
            Settlement::Nothing if !is_settling => {
                let reason = stopped.why.reason(errors);
                self.recorder.note(Event::StepRefused {
                    step,
                    attempts,
                    reason,
                });
                return;
            }
            Settlement::Nothing => Settled::Nothing,
            Settlement::Resolved => Settled::Resolved,
            Settlement::Unresolved(failure) => Settled::Unresolved {
                attempts: failure.attempts,
                message: failure.message.clone(),
            },
            Settlement::Done(output) => match self.payload(output) {
                Ok(output) => Settled::Done { output },
                // It stays in doubt, and is asked for its output again if the process ends before it is undone.
                Err(_) => return,
            },
            Settlement::Skipped { .. } => return,
        };
        if !is_settling {
            let reason = stopped.why.reason(errors);
            self.recorder.note(Event::StepInDoubt {
                step: step.clone(),
                attempts,
                reason,
            });
        }
        self.recorder.note(Event::StepSettled { step, settled });
    }
}

pub(super) fn unrecordable(step: &StepCall, message: &str) -> LetGo {
    let message = format!("the output of step `{step}` can't be written down: {message}");
    LetGo::stuck("unrecordable", message)
}
