//! The replay: the body gets the recorded outcomes of its steps.

use std::ops::ControlFlow::{self, Break, Continue};

use crate::attempts::{Control, GiveUp, PendingStep, Settlement, StepEnd};
use crate::engines::journaled::outcome::refusal;
use crate::engines::journaled::recorder::Suspension;
use crate::engines::journaled::{Journaled, call};
use crate::error::Reason;
use crate::journal::history::{NextCall, Settling};
use crate::place::Position;

/// The rest of a call without a recorded end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unsettled<'a> {
    /// It is requested.
    Request,
    /// It went into doubt for this reason, and is to be settled. So many processes may have tried that, and have ended.
    InDoubt { reason: &'a Reason, crashes: u32 },
}

impl Journaled {
    /// Ends the call of a step with its recorded outcome, or says what is left to do.
    pub(super) fn replay(
        &self,
        position: Position<'_>,
        step: &mut dyn PendingStep,
    ) -> Result<ControlFlow<StepEnd<Suspension>, Unsettled<'_>>, Suspension> {
        let kind = step.meta().kind;
        let called = call(position);
        let numbers = self.numbers(position);
        let index = numbers.start;
        let next = match position.calls().group() {
            Some(_) => self.history.next_in_group(numbers, &called),
            None => self.history.next(numbers, &called),
        };
        match next {
            NextCall::Request => self.may_go_on(index, &called)?,
            NextCall::Stop(_) | NextCall::Changed { .. } => {}
            // Members of a group may end in any order.
            _ if position.calls().group().is_some() => {}
            _ => self.is_in_order(index, &called)?,
        }
        Ok(Break(match next {
            NextCall::Request => return Ok(Continue(Unsettled::Request)),
            NextCall::Done(output) => {
                let recorded = self.history.inputs(&called);
                if let (Some(recorded), Some(given)) = (recorded, step.inputs())
                    && recorded != given
                {
                    return Err(self.changed(format_args!(
                        "call {} is of step `{called}` as it is recorded, but the inputs of this call differ from the recorded ones; \
                         they were made in another way, or of something that is not recorded, such as the answer of a service",
                        index + 1,
                    )));
                }
                read_output(step, output)?;
                if kind.closes_the_way_back() {
                    self.control.way_back().close();
                }
                StepEnd::Done
            }
            NextCall::Refused(reason) => {
                read_reason(step, reason)?;
                refusal(step)
            }
            NextCall::Settle(reason) => {
                let crashes = self.crashes_of(self.take_in_doubt(position.calls()));
                read_reason(step, reason)?;
                return Ok(Continue(Unsettled::InDoubt { reason, crashes }));
            }
            NextCall::Settled(reason, settled) => {
                let settlement = match settled {
                    Settling::Nothing => Settlement::Nothing,
                    Settling::Done { output } => {
                        read_output(step, output)?;
                        Settlement::Done
                    }
                    Settling::Resolved => Settlement::Resolved,
                    Settling::Unresolved(failure) => Settlement::Unresolved(failure.clone()),
                    Settling::Skipped { reason } => Settlement::Skipped {
                        reason: reason.clone(),
                    },
                };
                read_reason(step, reason)?;
                StepEnd::Stopped(settlement)
            }
            NextCall::Stop(decision) => {
                step.give_up(GiveUp::Recorded {
                    code: decision.reason.code.to_string(),
                    message: decision.reason.message.clone(),
                });
                StepEnd::Stopped(Settlement::Nothing)
            }
            NextCall::Waiting(_) | NextCall::Over(_) => {
                return Err(self.changed(format_args!(
                    "call {} is recorded as a wait, and is of step `{called}` now",
                    index + 1,
                )));
            }
            NextCall::Changed { recorded } => {
                return Err(self.other_call(index, &called, recorded));
            }
        }))
    }
}

/// Gives the step up for a recorded reason, which the body gets again.
pub(super) fn read_reason(step: &mut dyn PendingStep, reason: &Reason) -> Result<(), Suspension> {
    if let Some(error) = &reason.error {
        let read = step.read_error(error);
        if read.map_err(|unread| unreadable("error", step, &unread))? {
            return Ok(());
        }
    }
    step.give_up(GiveUp::Recorded {
        code: reason.code.to_string(),
        message: reason.message.clone(),
    });
    Ok(())
}

/// Gives the step its recorded output.
fn read_output(step: &mut dyn PendingStep, output: &str) -> Result<(), Suspension> {
    let read = step.read_output(output);
    read.map_err(|unread| unreadable("output", step, &unread))
}

fn unreadable(what: &str, step: &dyn PendingStep, error: &serde_json::Error) -> Suspension {
    let step = step.meta().name;
    let message = format!("the recorded {what} of step `{step}` can't be read: {error}");
    Suspension::stuck("unreadable", message)
}
