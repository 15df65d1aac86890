//! What a saga's entries mean: which step comes next, what is settled, what is undone. Pure: I/O is `recorder.rs`.
//!
//! ```text
//! Forward ──step in doubt──▶ Settling ──settled──▶ Forward ──completed──▶ Final
//!    │                          │                                          ▲
//!    └──────compensating────────┴──────▶ Backward ──────compensated────────┘
//!    any but Final ──stuck──▶ Stuck ──by hand──▶ where it was
//! ```

use crate::compensation::CompensationFailure;
use crate::error::CompensationOutcome;
use crate::journal::{Damage, Entry, Event, Reason, Settled, StepCall};
use crate::step::{Kind, StepMeta};

/// What a saga has done so far, in the order in which a replay asks for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    steps: Vec<Recorded>,
    decision: Option<Decision>,
    compensations: Vec<(StepCall, CompensationOutcome)>,
    end: Option<End>,
    /// Whether the last entry that was not made by hand says that the saga is stuck.
    stuck: Option<Reason>,
    by_hand: bool,
}

/// One call of a step on the way forward.
#[derive(Debug, Clone)]
struct Recorded {
    call: StepCall,
    outcome: Outcome,
}

#[derive(Debug, Clone)]
enum Outcome {
    Done { output: String },
    Refused { reason: Reason },
    InDoubt { reason: Reason },
    Settled { reason: Reason, settled: Settling },
}

impl Outcome {
    /// Whether the step is in doubt, and nobody could settle it.
    fn is_unsettled(&self) -> bool {
        match self {
            Self::InDoubt { .. } => true,
            Self::Settled { settled, .. } => matches!(settled, Settling::Unresolved(_)),
            Self::Done { .. } | Self::Refused { .. } => false,
        }
    }
}

/// What has become of the effect of a step in doubt, also by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Settling {
    Nothing,
    Done { output: String },
    Resolved,
    Unresolved(CompensationFailure),
    Skipped { reason: String },
}

/// The decision to undo the saga.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    /// The step at which it failed, if it was a step.
    pub(crate) step: Option<String>,
    /// Why.
    pub(crate) reason: Reason,
}

/// How a saga has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    Completed { output: String },
    Compensated,
}

/// What the history says about the next call of a step.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<'a> {
    /// It is done, with this output.
    Done(&'a str),
    /// It has refused.
    Refused(&'a Reason),
    /// It is in doubt, and is to be settled: its compensation by a resolver, or by asking again.
    Settle(&'a Reason),
    /// It was in doubt, and is settled.
    Settled(&'a Reason, &'a Settling),
    /// Nothing is known of it: it is requested.
    Request,
    /// Nothing is known of it, and the saga is undone: it is not requested.
    Stop(&'a Decision),
    /// Another step was called here: the definition has changed.
    Changed {
        /// The call that is written down.
        recorded: &'a StepCall,
    },
}

impl History {
    /// What these entries mean.
    ///
    /// # Errors
    /// [`Damage`] if they don't follow from one another.
    pub(crate) fn new<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Result<Self, Damage> {
        let mut history = Self::default();
        for entry in entries {
            let name = entry.event.name();
            if !history.apply(&entry.event) {
                let message = format!("`{name}` can't follow what comes before");
                return Err(Damage::new(entry.seq, message));
            }
        }
        Ok(history)
    }

    /// The decision to undo the saga, if it was made.
    pub(crate) fn decision(&self) -> Option<&Decision> {
        self.decision.as_ref()
    }

    /// How it has ended, if it has.
    pub(crate) fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// What is known about the call number `index`, which is one of `step`.
    pub(crate) fn next(&self, index: usize, step: &StepMeta, occurrence: usize) -> Next<'_> {
        let Some(Recorded { call, outcome }) = self.steps.get(index) else {
            return match &self.decision {
                Some(decision) => Next::Stop(decision),
                None => Next::Request,
            };
        };
        if call.name != step.name
            || call.occurrence as usize != occurrence
            || call.kind != step.kind
        {
            return Next::Changed { recorded: call };
        }
        match outcome {
            Outcome::Done { output } => Next::Done(output),
            Outcome::Refused { reason } => Next::Refused(reason),
            Outcome::InDoubt { reason } => Next::Settle(reason),
            Outcome::Settled { reason, settled } => Next::Settled(reason, settled),
        }
    }

    /// The call number `index`.
    pub(crate) fn call(&self, index: usize) -> Option<&StepCall> {
        self.steps.get(index).map(|recorded| &recorded.call)
    }

    /// What has become of the compensation of a call, if it has ended.
    pub(crate) fn compensation(
        &self,
        step: &str,
        occurrence: usize,
    ) -> Option<&CompensationOutcome> {
        let is_it = |call: &StepCall| call.name == step && call.occurrence as usize == occurrence;
        let mut ended = self.compensations.iter().rev();
        ended
            .find(|(call, _)| is_it(call))
            .map(|(_, outcome)| outcome)
    }

    /// The calls that have to be undone if the saga fails now, or that are still to be undone, last first.
    pub(crate) fn to_compensate(&self) -> impl Iterator<Item = &StepCall> {
        self.steps
            .iter()
            .rev()
            .filter_map(|Recorded { call, outcome }| {
                let is_done = match outcome {
                    Outcome::Done { .. } => true,
                    Outcome::Settled { settled, .. } => matches!(settled, Settling::Done { .. }),
                    Outcome::Refused { .. } | Outcome::InDoubt { .. } => false,
                };
                let ended = self.compensation(&call.name, call.occurrence as usize);
                let is_open =
                    ended.is_none_or(|outcome| matches!(outcome, CompensationOutcome::Failed(_)));
                (is_done && call.kind == Kind::Compensatable && is_open).then_some(call)
            })
    }

    /// The calls that an operator can decide about: steps in doubt, and compensations that have failed.
    pub(crate) fn open(&self) -> impl Iterator<Item = &StepCall> {
        let in_doubt = self.steps.iter().filter(|one| one.outcome.is_unsettled());
        let failed = self
            .compensations
            .iter()
            .filter(|(_, outcome)| matches!(outcome, CompensationOutcome::Failed(_)));
        let in_doubt = in_doubt.map(|one| &one.call);
        in_doubt.chain(failed.map(|(call, _)| call))
    }

    /// The calls that were undone, or were to be: how each was settled or compensated.
    pub(crate) fn undone(&self) -> impl Iterator<Item = (&StepCall, CompensationOutcome)> {
        let settled = self.steps.iter().filter_map(|one| match &one.outcome {
            Outcome::Settled { settled, .. } => match settled {
                Settling::Resolved => Some((&one.call, CompensationOutcome::Resolved)),
                Settling::Unresolved(failure) => {
                    Some((&one.call, CompensationOutcome::Failed(failure.clone())))
                }
                Settling::Skipped { reason } => {
                    let reason = reason.clone();
                    Some((&one.call, CompensationOutcome::Skipped { reason }))
                }
                Settling::Nothing | Settling::Done { .. } => None,
            },
            Outcome::Done { .. } | Outcome::Refused { .. } | Outcome::InDoubt { .. } => None,
        });
        let compensated = self.compensations.iter();
        settled.chain(compensated.map(|(call, outcome)| (call, outcome.clone())))
    }

    /// The call of a step in doubt that could not be settled.
    pub(crate) fn in_doubt(&self, step: &str, occurrence: usize) -> Option<&StepCall> {
        let index = self.unsettled(step, occurrence)?;
        Some(&self.steps[index].call)
    }

    /// The call whose compensation has failed for good.
    pub(crate) fn failed(&self, step: &str, occurrence: usize) -> Option<&StepCall> {
        let is_it = |call: &StepCall| call.name == step && call.occurrence as usize == occurrence;
        let mut ended = self.compensations.iter();
        ended
            .find(|(call, outcome)| {
                is_it(call) && matches!(outcome, CompensationOutcome::Failed(_))
            })
            .map(|(call, _)| call)
    }

    fn unsettled(&self, step: &str, occurrence: usize) -> Option<usize> {
        self.steps.iter().position(|Recorded { call, outcome }| {
            outcome.is_unsettled() && call.name == step && call.occurrence as usize == occurrence
        })
    }

    /// Takes an event in; `false` if it can't follow.
    fn apply(&mut self, event: &Event) -> bool {
        if self.end.is_some() {
            return false;
        }
        let by_hand = matches!(
            event,
            Event::Retried { .. }
                | Event::CompensationResolved { .. }
                | Event::CompensationSkipped { .. }
                | Event::StepCompleted { .. }
        );
        if by_hand {
            let applied = (self.stuck.is_some() || self.by_hand) && self.apply_by_hand(event);
            self.stuck = None;
            self.by_hand = true;
            return applied;
        }
        if self.stuck.is_some() {
            return false;
        }
        self.by_hand = false;
        match event {
            Event::StepDone { step, output, .. } => {
                let output = output.clone();
                self.push(step, Outcome::Done { output })
            }
            Event::StepRefused { step, reason, .. } => {
                let reason = reason.clone();
                self.push(step, Outcome::Refused { reason })
            }
            Event::StepInDoubt { step, reason, .. } => {
                let reason = reason.clone();
                self.push(step, Outcome::InDoubt { reason })
            }
            Event::StepSettled { step, settled } => self.settle(step, settled),
            Event::Compensating { step, reason } => {
                let decision = Decision {
                    step: step.as_ref().map(ToString::to_string),
                    reason: reason.clone(),
                };
                self.decision.replace(decision).is_none()
            }
            Event::CompensationDone { step, .. } => {
                self.compensated(step, CompensationOutcome::Compensated)
            }
            Event::CompensationFailed {
                step,
                attempts,
                message,
            } => {
                let failure = CompensationFailure::new(*attempts, message.clone());
                self.compensated(step, CompensationOutcome::Failed(failure))
            }
            Event::Completed { output } => {
                let output = output.clone();
                self.end = Some(End::Completed { output });
                self.decision.is_none()
            }
            Event::Compensated => {
                self.end = Some(End::Compensated);
                self.decision.is_some()
            }
            Event::Stuck { reason } => {
                self.stuck = Some(reason.clone());
                true
            }
            _ => false,
        }
    }

    fn apply_by_hand(&mut self, event: &Event) -> bool {
        match event {
            Event::Retried { .. } => {
                let failed = |outcome: &CompensationOutcome| {
                    matches!(outcome, CompensationOutcome::Failed(_))
                };
                self.compensations.retain(|(_, outcome)| !failed(outcome));
                for Recorded { outcome, .. } in &mut self.steps {
                    if let Outcome::Settled {
                        reason,
                        settled: Settling::Unresolved(_),
                    } = outcome
                    {
                        let reason = reason.clone();
                        *outcome = Outcome::InDoubt { reason };
                    }
                }
                true
            }
            Event::CompensationResolved { step, reason } => {
                let by_hand = CompensationOutcome::ResolvedByHand {
                    reason: reason.clone(),
                };
                self.decide(step, Settling::Resolved, by_hand)
            }
            Event::CompensationSkipped { step, reason } => {
                let skipped = Settling::Skipped {
                    reason: reason.clone(),
                };
                let by_hand = CompensationOutcome::Skipped {
                    reason: reason.clone(),
                };
                self.decide(step, skipped, by_hand)
            }
            Event::StepCompleted { step, output, .. } => {
                let Some(index) = self.unsettled(&step.name, step.occurrence as usize) else {
                    return false;
                };
                let output = output.clone();
                let outcome = &mut self.steps[index].outcome;
                // A step that only goes forward is done; any other one was given up, and is undone with the rest.
                *outcome = match outcome {
                    Outcome::InDoubt { reason } | Outcome::Settled { reason, .. }
                        if !matches!(step.kind, Kind::Pivot | Kind::Retriable) =>
                    {
                        let settled = Settling::Done { output };
                        Outcome::Settled {
                            reason: reason.clone(),
                            settled,
                        }
                    }
                    _ => Outcome::Done { output },
                };
                true
            }
            _ => false,
        }
    }

    /// An operator's word on a step in doubt, or on a compensation that has failed.
    fn decide(
        &mut self,
        step: &StepCall,
        settling: Settling,
        by_hand: CompensationOutcome,
    ) -> bool {
        if let Some((_, outcome)) = self.compensations.iter_mut().find(|(call, outcome)| {
            call == step && matches!(outcome, CompensationOutcome::Failed(_))
        }) {
            *outcome = by_hand;
            return true;
        }
        let Some(index) = self.unsettled(&step.name, step.occurrence as usize) else {
            return false;
        };
        let outcome = &mut self.steps[index].outcome;
        if let Outcome::InDoubt { reason } | Outcome::Settled { reason, .. } = outcome {
            let reason = reason.clone();
            *outcome = Outcome::Settled {
                reason,
                settled: settling,
            };
        }
        true
    }

    /// The next call of a step on the way forward.
    fn push(&mut self, step: &StepCall, outcome: Outcome) -> bool {
        let before = self
            .steps
            .iter()
            .filter(|one| one.call.name == step.name)
            .count();
        if self.decision.is_some() || before != step.occurrence as usize {
            return false;
        }
        self.steps.push(Recorded {
            call: step.clone(),
            outcome,
        });
        true
    }

    fn settle(&mut self, step: &StepCall, settled: &Settled) -> bool {
        let Some(recorded) = self.steps.iter_mut().find(|one| one.call == *step) else {
            return false;
        };
        let Outcome::InDoubt { reason } = &recorded.outcome else {
            return false;
        };
        let settled = match settled {
            Settled::Nothing => Settling::Nothing,
            Settled::Done { output } => Settling::Done {
                output: output.clone(),
            },
            Settled::Resolved => Settling::Resolved,
            Settled::Unresolved { attempts, message } => {
                Settling::Unresolved(CompensationFailure::new(*attempts, message.clone()))
            }
        };
        recorded.outcome = match settled {
            // A pivot that was done after all goes forward.
            Settling::Done { output } if step.kind == Kind::Pivot => Outcome::Done { output },
            settled => Outcome::Settled {
                reason: reason.clone(),
                settled,
            },
        };
        true
    }

    fn compensated(&mut self, step: &StepCall, outcome: CompensationOutcome) -> bool {
        let is_new = self
            .compensation(&step.name, step.occurrence as usize)
            .is_none();
        let is_known = self.steps.iter().any(|one| one.call == *step);
        self.compensations.push((step.clone(), outcome));
        is_new && is_known && self.decision.is_some()
    }
}

#[cfg(test)]
mod tests;
