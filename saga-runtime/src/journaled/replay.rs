//! Gives the body what is written down about its steps.

use super::payload::from_json;
use super::{Journaled, call, stopped_for};
use crate::engine::{ErrorRecord, Settlement, StepEnd, Why};
use crate::history::{Next, Settling};
use crate::journal::Reason;
use crate::place::Position;
use crate::pursuit::Begin;
use crate::recorder::LetGo;
use crate::step::{Kind, Step};

impl Journaled {
    /// A step that was given up by an earlier process, and is settled.
    pub(super) fn settled<S: Step>(
        reason: &Reason,
        settled: &Settling,
        errors: ErrorRecord<S::Error>,
    ) -> Result<StepEnd<S::Output, S::Error, LetGo>, LetGo> {
        let settlement = match settled {
            Settling::Nothing => Settlement::Nothing,
            Settling::Done { output } => Settlement::Done(read::<S>(output)?),
            Settling::Resolved => Settlement::Resolved,
            Settling::Unresolved(failure) => Settlement::Unresolved(failure.clone()),
            Settling::Skipped { reason } => Settlement::Skipped {
                reason: reason.clone(),
            },
        };
        Ok(stopped_for(why::<S>(reason, errors)?, settlement))
    }

    /// What is known about the call of a step, or its outcome, if it has to be requested.
    pub(super) async fn replay_or_request<S: Step>(
        &self,
        position: Position<'_>,
        services: &S::Services,
        args: S::Args<'_>,
        errors: ErrorRecord<S::Error>,
    ) -> Result<StepEnd<S::Output, S::Error, LetGo>, LetGo> {
        let called = call(position);
        let numbers = self.numbers(position);
        let index = numbers.start;
        let next = match position.calls().group() {
            Some(_) => self.history.next_in_group(numbers, &called),
            None => self.history.next(numbers, &called),
        };
        Ok(match next {
            Next::Request => self.request::<S>(position, services, args, errors).await,
            Next::Done(output) => {
                let output = read::<S>(output)?;
                if matches!(S::META.kind, Kind::Pivot | Kind::Retriable) {
                    self.control.go_forward_only();
                }
                StepEnd::Done(output)
            }
            Next::Refused(reason) => match why::<S>(reason, errors)? {
                Why::Error(error) => StepEnd::Refused(error),
                why => stopped_for(why, Settlement::Nothing),
            },
            Next::Settle(reason) => {
                self.set_in_doubt(position.calls(), false);
                let why = why::<S>(reason, errors)?;
                if S::META.kind == Kind::Pivot {
                    self.ask_pivot::<S>(position, services, args, why).await
                } else {
                    let begin = Begin::Settling(why);
                    self.pursue::<S>(position, services, args, errors, begin)
                        .await
                }
            }
            Next::Settled(reason, settled) => Self::settled::<S>(reason, settled, errors)?,
            Next::Stop(decision) => {
                let why = Why::Recorded {
                    code: decision.reason.code.to_string(),
                    message: decision.reason.message.clone(),
                };
                stopped_for(why, Settlement::Nothing)
            }
            Next::Waiting(_) | Next::Over(_) => {
                return Err(self.changed(format_args!(
                    "call {} is of step `{called}`, but a wait is written down",
                    index + 1,
                )));
            }
            Next::Changed { recorded } => {
                return Err(self.changed(format_args!(
                    "call {} is of step `{called}` ({}), but step `{recorded}` ({}) is written down",
                    index + 1,
                    called.kind,
                    recorded.kind,
                )));
            }
        })
    }
}

/// Why a step was given up, as the body is told again.
fn why<S: Step>(reason: &Reason, errors: ErrorRecord<S::Error>) -> Result<Why<S::Error>, LetGo> {
    let whole = reason.error.as_deref().and_then(|text| errors.read(text));
    match whole {
        Some(Ok(error)) => Ok(Why::Error(error)),
        Some(Err(unread)) => Err(unreadable("error", S::META.name, &unread)),
        None => Ok(Why::Recorded {
            code: reason.code.to_string(),
            message: reason.message.clone(),
        }),
    }
}

/// The output of the step `S` that is written down.
fn read<S: Step>(output: &str) -> Result<S::Output, LetGo> {
    from_json(output).map_err(|unread| unreadable("output", S::META.name, &unread))
}

fn unreadable(what: &str, step: &str, error: &serde_json::Error) -> LetGo {
    let message =
        format!("the {what} of step `{step}` that is written down can't be read: {error}");
    LetGo::stuck("unreadable", message)
}
