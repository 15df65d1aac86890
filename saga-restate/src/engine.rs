//! The engine: it reads the outcome of each call from Restate's journal, or makes the call and records its outcome
//! there.

use std::time::Duration;

use saga_runtime::engine::{
    AttemptResult, Calls, Compensate, CompensationOrigin, Control, Engine, GiveUp, Group, Instance,
    Origin, PendingStep, Position, ReadError, ReadEvent, Reason, Revision, SagaEnd, Settlement,
    StepCompensator, StepEnd, Verdict, Wait, WaitEnd, compensate, pursue,
};
use saga_runtime::meta::{AttemptPhase, StepMeta};
use saga_runtime::{CompensationOutcome, Saga, SagaError};

use crate::attempts::Asker;
use crate::invocation::{Ended, Failing, Invocation, NextAttempt, Suspended};
use crate::lock::lock;
use crate::operated::call_name;

impl Invocation {
    async fn pursue(&self, calls: &dyn Calls, step: &mut dyn PendingStep) -> StepEnd<Suspended> {
        // A retriable step closes the way back after its attempt, because only the record tells if an attempt was made.
        if let Some(end) = self.before_request(step) {
            return end;
        }
        let position = Position::new(calls, step.meta(), calls.count());
        let asker = Asker::new(self, self.doubt(calls), calls.doubt().is_some());
        let (end, _) = pursue(step, Origin::Request, position, &asker).await;
        let end = self.ask_about(end, step, position, &asker).await;
        let StepEnd::Done = end else {
            return end;
        };
        if let Some(message) = asker.unrecordable() {
            step.give_up(GiveUp::unrecordable_output(&message));
            return StepEnd::Stopped(Settlement::Done);
        }
        self.after_done(step)
    }
}

impl Engine for Invocation {
    type Suspension = Suspended;
    type End<G: Saga> = Ended<G>;

    fn instance(&self) -> &Instance {
        &self.instance
    }

    fn end<G: Saga>(&self, end: Ended<G>) -> Ended<G> {
        match end {
            SagaEnd::Failed(error) => SagaEnd::Failed(G::error_record().as_recorded(error)),
            end => end,
        }
    }

    async fn step<'a>(
        &'a self,
        calls: &'a dyn Calls,
        step: &'a mut dyn PendingStep,
        _: Option<Verdict>,
    ) -> StepEnd<Suspended> {
        self.pursue(calls, step).await
    }

    async fn wait<'a>(
        &'a self,
        calls: &'a dyn Calls,
        _: &'static StepMeta,
        wait: Wait,
        read: ReadEvent<'a>,
    ) -> WaitEnd<Suspended> {
        let _ = calls;
        self.wait_until_over(wait, read).await
    }

    fn begin_group(&self, group: &Group<'_>) -> Result<(), Suspended> {
        group.begin_in_doubt(self.doubt(group.before()).get());
        Ok(())
    }

    fn end_group(&self, group: &Group<'_>, is_suspended: bool) {
        let in_doubt = group.ends_in_doubt(is_suspended);
        self.doubt(group.before()).set(in_doubt);
    }

    async fn handle_failure<'a>(
        &'a self,
        calls: &'a dyn Calls,
        callee: &'static StepMeta,
        failure: Option<Reason>,
        read: ReadError<'a>,
    ) -> Result<Option<Reason>, Suspended> {
        let position = Position::new(calls, callee, calls.count());
        self.record_failure(position, failure, read).await
    }

    async fn revise<'a, G: Saga>(
        &'a self,
        error: &'a mut SagaError<G::Error>,
    ) -> Result<Revision, Suspended> {
        self.revise_failure::<G>(error).await
    }

    async fn compensate<'a>(
        &'a self,
        position: Position<'a>,
        step: &'a dyn Compensate,
        _: Option<AttemptResult<(), String>>,
    ) -> Result<CompensationOutcome, Suspended> {
        let call = call_name(position);
        let known = lock(&self.failing).get(&call).cloned();
        let start = match known {
            None => CompensationOrigin::Start,
            Some(Failing {
                failure,
                next: NextAttempt::Due,
            }) => CompensationOrigin::Resumed {
                attempts: failure.attempts,
                message: failure.message,
                left: Duration::ZERO,
            },
            Some(Failing { failure, .. }) => return Ok(CompensationOutcome::Failed(failure)),
        };
        let around = Asker::of_compensation(self, position);
        let compensator = &mut StepCompensator(step);
        let phase = AttemptPhase::Compensating;
        let compensating = compensate(compensator, phase, position, start, &around);
        let made = Box::pin(compensating).await;
        lock(&self.failing).remove(&call);
        let failing = match (around.deferred(), made) {
            (Some(failing), _) => failing,
            (None, made) => match made?.1 {
                Ok(()) => return Ok(CompensationOutcome::Compensated),
                Err(failure) => {
                    if position.is_in_handled_part() {
                        // The body has gone on by the failure of its part: nothing attempts this again.
                        lock(&self.unsettled).insert(call.clone());
                    }
                    Failing {
                        failure,
                        next: NextAttempt::IfDecided,
                    }
                }
            },
        };
        let failure = failing.failure.clone();
        lock(&self.failing).insert(call, failing);
        Ok(CompensationOutcome::Failed(failure))
    }
}
