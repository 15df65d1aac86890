//! Which event can follow which, and what it changes.

use std::collections::hash_map::Entry::{Occupied, Vacant};

use crate::error::{CompensationFailure, CompensationOutcome, Reason};
use crate::journal::history::{
    Attempted, BY_RECORD, Decision, Failing, NOTHING_REQUESTED, ReceivedEvent, RecordedCall,
    RecordedEnd, ReplayState, Settling, StepOutcome, UNKNOWN_STEP, Way,
};
use crate::journal::{Event, Settled, StepCall};
use crate::meta::{AttemptPhase, Kind};

impl ReplayState {
    /// Takes an event in; `false` if it can't follow.
    pub(super) fn apply(&mut self, event: &Event) -> bool {
        if self.end.is_some() {
            return false;
        }
        if let Event::Abandoned { reason, left } = event {
            let (reason, left) = (reason.clone(), left.clone());
            self.end = Some(RecordedEnd::Abandoned { reason, left });
            return true;
        }
        if !keeps_completed(event) {
            self.completed = None;
        }
        if is_by_hand(event) {
            let can_follow = self.stuck.is_some()
                || self.by_hand
                || event.step().is_some_and(|step| self.is_decidable(step));
            let applied = can_follow && self.apply_by_hand(event);
            self.stuck = None;
            match event.step() {
                Some(step) => drop(self.failing.remove(&step.clone().into_key())),
                // A retry begins anew.
                None => self.failing.clear(),
            }
            self.by_hand = true;
            return applied;
        }
        if let Event::Compensating { reason, .. } = event
            && reason.code == BY_RECORD
        {
            self.undo_by_record(reason);
            return true;
        }
        if self.stuck.is_some() {
            return false;
        }
        self.by_hand = false;
        if let Some(step) = event.step()
            && !self.failing.is_empty()
        {
            self.failing.remove(&step.clone().into_key());
        }
        self.apply_outcome(event)
    }

    fn apply_outcome(&mut self, event: &Event) -> bool {
        match event {
            Event::Failing { .. } => self.fails(event),
            Event::StepDone {
                step,
                output,
                inputs,
                ..
            } => {
                let output = output.clone();
                let is_next = self.push(step, StepOutcome::Done { output });
                if let (true, Some(recorded)) = (is_next, self.steps.last_mut()) {
                    recorded.inputs = *inputs;
                }
                is_next
            }
            Event::StepRefused { step, reason, .. } => {
                let reason = reason.clone();
                self.push(step, StepOutcome::Refused { reason })
            }
            Event::StepInDoubt { step, reason, .. } => {
                let reason = reason.clone();
                self.push(step, StepOutcome::InDoubt { reason })
            }
            Event::StepSettled { step, settled } => self.settle(step, settled),
            Event::Waiting { step, until } => {
                self.push(step, StepOutcome::Waiting { until: *until })
            }
            Event::WaitOver { step, received } => self.wait_over(step, *received),
            Event::Value { of, value } => {
                self.values.push((of.clone(), value.clone()));
                self.decision.is_none()
            }
            Event::Received { name, payload, key } => {
                self.received.push(ReceivedEvent {
                    name: name.clone(),
                    payload: payload.clone(),
                    key: key.clone(),
                });
                true
            }
            Event::EventSetAside {
                number, message, ..
            } => {
                self.set_aside.push((*number, message.clone()));
                let index = usize::try_from(*number).unwrap_or(usize::MAX);
                let event = self.received.get_mut(index);
                event.map(|event| event.key = None).is_some()
            }
            Event::Compensating { step, reason } => {
                let decision = Decision {
                    step: step.as_ref().map(ToString::to_string),
                    reason: reason.clone(),
                };
                // Only steps in doubt are attempted further. A pivot that is asked again is not recorded as one: its answer is known.
                self.failing.retain(|key, failing| {
                    let is_settled = matches!(
                        failing.phase,
                        AttemptPhase::Settling | AttemptPhase::Resolving
                    );
                    is_settled && self.calls.contains_key(key)
                });
                self.attempted.clear();
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
                self.failing.clear();
                self.end = Some(RecordedEnd::Completed { output });
                self.decision.is_none()
            }
            Event::Compensated => {
                self.failing.clear();
                self.end = Some(RecordedEnd::Compensated);
                self.decision.is_some()
            }
            Event::Stuck { reason } => {
                self.stuck = Some(reason.clone());
                true
            }
            _ => false,
        }
    }

    /// An operator has decided to undo the saga from its record. What has failed is tried again.
    fn undo_by_record(&mut self, reason: &Reason) {
        self.stuck = None;
        self.by_hand = true;
        self.by_record = true;
        self.compensations.forget_failed();
        let unknown = (UNKNOWN_STEP.into(), 0);
        let is_unknown = reason.error.as_deref() != Some(NOTHING_REQUESTED);
        if is_unknown && !self.calls.contains_key(&unknown) {
            let message = "a step may have been requested after the last entry that can be read";
            let unknown = StepCall {
                name: UNKNOWN_STEP.into(),
                occurrence: 0,
                kind: Kind::NothingToUndo,
            };
            self.calls
                .insert(unknown.clone().into_key(), self.steps.len());
            self.steps.push(RecordedCall {
                call: unknown,
                number: usize::MAX,
                outcome: StepOutcome::Settled {
                    reason: reason.clone(),
                    settled: Settling::Unresolved(CompensationFailure::new(0, message.to_owned())),
                },
                inputs: None,
            });
        }
        let reason = reason.clone();
        let by_record = Decision { step: None, reason };
        self.decision.get_or_insert(by_record);
    }

    /// Attempts of a call have failed, and others follow.
    fn fails(&mut self, event: &Event) -> bool {
        let Event::Failing {
            step,
            phase,
            attempts,
            earlier,
            in_doubt,
            reason,
            since,
            until,
        } = event.clone()
        else {
            return false;
        };
        let failing = Failing {
            step,
            phase,
            attempts,
            earlier,
            in_doubt,
            reason,
            since,
            until,
        };
        let step = &failing.step;
        self.has_tried_retriable |= step.kind == Kind::Retriable;
        let outcome = self.known(step).map(|one| &one.outcome);
        let can_follow = match failing.phase {
            AttemptPhase::Forward => {
                // An older version has recorded so that a pivot in doubt was asked again.
                let is_pivot = step.kind == Kind::Pivot;
                self.decision.is_none() && (outcome.is_none() || is_pivot && is_in_doubt(outcome))
            }
            // A pivot that is asked again is not recorded as in doubt.
            AttemptPhase::Settling => match outcome {
                None => self.decision.is_none(),
                outcome => is_in_doubt(outcome),
            },
            AttemptPhase::Resolving => is_in_doubt(outcome),
            AttemptPhase::Compensating => {
                (self.decision.is_some() || self.may_be_handled(step))
                    && outcome.is_some()
                    && self.compensation(step).is_none()
            }
        };
        let key = step.clone().into_key();
        if outcome.is_none() {
            let attempted = self.attempted.entry(key.clone());
            let attempted = attempted.or_insert_with(|| Attempted {
                call: step.clone(),
                in_doubt: false,
            });
            attempted.in_doubt |= failing.in_doubt;
        }
        self.failing.insert(key, failing);
        can_follow
    }

    fn apply_by_hand(&mut self, event: &Event) -> bool {
        match event {
            Event::Retried { .. } => {
                self.compensations.forget_failed();
                if self.by_record {
                    // A step in doubt stays so: its inputs are not recorded.
                    return true;
                }
                for RecordedCall { outcome, .. } in &mut self.steps {
                    if let StepOutcome::Settled {
                        reason,
                        settled: Settling::Unresolved(_),
                    } = outcome
                    {
                        let reason = reason.clone();
                        *outcome = StepOutcome::InDoubt { reason };
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
                let occurrence = step.occurrence as usize;
                let output = output.clone();
                let Some(index) = self.completable_index(&step.name, occurrence) else {
                    let is_retried =
                        self.retried(&step.name, occurrence, Way::Forward) == Some(step);
                    self.completed = Some(self.steps.len());
                    return is_retried && self.push(step, StepOutcome::Done { output });
                };
                self.completed = Some(index);
                let outcome = &mut self.steps[index].outcome;
                // A step that only goes forward is done; any other one was given up, and is undone with the rest.
                *outcome = match outcome {
                    StepOutcome::InDoubt { reason } | StepOutcome::Settled { reason, .. }
                        if !step.kind.closes_the_way_back() =>
                    {
                        let settled = Settling::Done { output };
                        StepOutcome::Settled {
                            reason: reason.clone(),
                            settled,
                        }
                    }
                    _ => StepOutcome::Done { output },
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
        if let Some(outcome) = self.compensations.find_failed(step) {
            *outcome = by_hand;
            return true;
        }
        let occurrence = step.occurrence as usize;
        let Some(index) = self.unsettled(&step.name, occurrence) else {
            return self.retried(&step.name, occurrence, Way::Backward) == Some(step)
                && self.compensated(step, by_hand);
        };
        let outcome = &mut self.steps[index].outcome;
        if let StepOutcome::InDoubt { reason } | StepOutcome::Settled { reason, .. } = outcome {
            let reason = reason.clone();
            *outcome = StepOutcome::Settled {
                reason,
                settled: settling,
            };
        }
        true
    }

    /// The next call of a step on the way forward. Members of a group may end in any order.
    fn push(&mut self, step: &StepCall, outcome: StepOutcome) -> bool {
        if matches!(
            outcome,
            StepOutcome::Refused { .. } | StepOutcome::InDoubt { .. }
        ) && !self.failed_lanes.contains(step.lane())
        {
            self.failed_lanes.insert(step.lane().to_owned());
        }
        let lane = match self.lanes.get_mut(step.lane()) {
            Some(lane) => lane,
            None => self.lanes.entry(step.lane().to_owned()).or_default(),
        };
        let index = self.steps.len();
        let is_new = match self.calls.entry(step.clone().into_key()) {
            Vacant(entry) => {
                entry.insert(index);
                true
            }
            Occupied(_) => false,
        };
        if !self.attempted.is_empty() {
            self.attempted.remove(&step.clone().into_key());
        }
        if self.decision.is_some() || !is_new {
            return false;
        }
        self.steps.push(RecordedCall {
            call: step.clone(),
            number: lane.len(),
            outcome,
            inputs: None,
        });
        lane.push(index);
        true
    }

    /// A wait is over, also one that has not been seen to begin: the event was there already.
    fn wait_over(&mut self, step: &StepCall, received: Option<u64>) -> bool {
        let is_there = received.is_none_or(|number| number < self.received.len() as u64);
        let known = self.calls.get(&step.clone().into_key());
        match known.map(|index| &mut self.steps[*index]) {
            None => is_there && self.push(step, StepOutcome::Over { received }),
            Some(one) => {
                let was_waiting = matches!(one.outcome, StepOutcome::Waiting { .. });
                one.outcome = StepOutcome::Over { received };
                is_there && was_waiting && self.decision.is_none()
            }
        }
    }

    fn settle(&mut self, step: &StepCall, settled: &Settled) -> bool {
        let known = self.calls.get(&step.clone().into_key());
        let known = known.map(|index| &mut self.steps[*index]);
        let Some(recorded) = known.filter(|one| one.call == *step) else {
            return false;
        };
        let StepOutcome::InDoubt { reason } = &recorded.outcome else {
            return false;
        };
        // What it has refused with counts, and not the doubt before that: the body has got it.
        let reason = match settled {
            Settled::Nothing {
                refusal: Some(reason),
            } => reason,
            _ => reason,
        };
        let settled = match settled {
            Settled::Nothing { .. } => Settling::Nothing,
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
            Settling::Done { output } if step.kind == Kind::Pivot => StepOutcome::Done { output },
            settled => StepOutcome::Settled {
                reason: reason.clone(),
                settled,
            },
        };
        true
    }

    fn compensated(&mut self, step: &StepCall, outcome: CompensationOutcome) -> bool {
        let is_new = self.compensation(step).is_none();
        let is_known = self.known(step).is_some_and(|one| one.call == *step);
        self.compensations.push(step.clone(), outcome);
        is_new && is_known && (self.decision.is_some() || self.may_be_handled(step))
    }
}

/// An operator's word on a stuck saga, or on a step that is attempted again.
fn is_by_hand(event: &Event) -> bool {
    matches!(
        event,
        Event::Retried { .. }
            | Event::CompensationResolved { .. }
            | Event::CompensationSkipped { .. }
            | Event::StepCompleted { .. }
    )
}

/// Returns whether an output that was given by hand can still be corrected after this event.
fn keeps_completed(event: &Event) -> bool {
    matches!(
        event,
        Event::Stuck { .. }
            | Event::Retried { .. }
            | Event::Received { .. }
            | Event::EventSetAside { .. }
            | Event::StepCompleted { .. }
    )
}

fn is_in_doubt(outcome: Option<&StepOutcome>) -> bool {
    matches!(outcome, Some(StepOutcome::InDoubt { .. }))
}
