//! The end of a run: the result is handed out, or what was done is unwound.

use std::mem;

use futures_util::future::join_all;
use tracing::{Instrument, Span};

use super::undo::{Undo, needs_undoing};
use super::watch::Forward;
use super::{Run, Stop};
use crate::compensation::{CompensationOrder, OnCompensationFailure};
use crate::engine::{Engine, Failing};
use crate::error::{Cause, Compensation, CompensationOutcome, SagaError};
use crate::pursuit::BoxFuture;
use crate::saga::{Saga, SagaEnd, SagaMeta};
use crate::step::Kind;
use crate::telemetry;

impl<E: Engine, U: Undo, const N: usize> Run<'_, E, U, N> {
    /// Ends the run of a saga that completed.
    #[inline]
    pub fn complete<G: Saga>(&self, output: G::Output) -> E::End<G> {
        if let Some(span) = &self.watch.span {
            telemetry::record_outcome(span, "completed");
        }
        self.engine.end(SagaEnd::Completed(output))
    }

    /// Ends the run of a saga that did not complete: unwinds what was done.
    #[inline(never)]
    pub fn finish<G: Saga>(
        &mut self,
        body: Forward<Result<G::Output, G::Error>>,
    ) -> BoxFuture<'_, E::End<G>> {
        match &self.watch.span {
            None => Box::pin(self.end(body)),
            Some(span) => {
                let span = Span::clone(span);
                Box::pin(self.end(body).instrument(span))
            }
        }
    }

    async fn end<G: Saga>(&mut self, body: Forward<Result<G::Output, G::Error>>) -> E::End<G> {
        let cause = match body {
            Forward::Returned(Ok(output)) => return self.complete(output),
            Forward::Returned(Err(error)) => Cause::Error(error),
            Forward::Panicked(message) => Cause::Panicked { message },
            Forward::Stopped => match self.given_up.last_mut().and_then(|last| last.stop.take()) {
                Some(Stop::Cause(cause)) => cause.widen(),
                Some(Stop::Suspended(suspension)) => {
                    return self.engine.end(SagaEnd::Suspended(suspension));
                }
                None => unreachable!("the watch is only raised together with a reason to stop"),
            },
        };
        let settled = mem::take(&mut self.given_up);
        let mut compensations: Vec<_> = settled.into_iter().filter_map(|one| one.settled).collect();
        let past_pivot = self.is_past_pivot(&compensations);
        if Self::goes_back(&G::META, past_pivot, &compensations) {
            let failing = Failing {
                code: cause.code(),
                message: &cause,
            };
            let step = self.failed_at.map(|step| step.name);
            self.engine.begin_compensation(step, &failing);
        }
        let end = match self.unwind(&G::META, past_pivot, &mut compensations).await {
            Ok(()) => {
                let id = self.stack.instance.known_id().cloned();
                let step = self.failed_at.map(|step| step.name);
                let error =
                    SagaError::new(G::META.name, id, step, cause, compensations, past_pivot);
                if let Some(span) = &self.watch.span {
                    let compensated = error.is_compensated();
                    telemetry::record_outcome(
                        span,
                        if compensated { "compensated" } else { "stuck" },
                    );
                }
                SagaEnd::Failed(error)
            }
            Err(suspension) => SagaEnd::Suspended(suspension),
        };
        self.engine.end(end)
    }

    /// Whether compensations run at all: the pivot is not behind, and no failure has halted them already.
    fn goes_back(meta: &SagaMeta, past_pivot: bool, settled: &[Compensation]) -> bool {
        let halts = meta.on_compensation_failure == OnCompensationFailure::Halt;
        !(past_pivot || halts && settled.iter().any(Compensation::has_failed))
    }

    /// Compensates what was done, unless the pivot is behind; adds what has become of each step.
    async fn unwind(
        &self,
        meta: &SagaMeta,
        past_pivot: bool,
        compensations: &mut Vec<Compensation>,
    ) -> Result<(), E::Suspension> {
        let halts = meta.on_compensation_failure == OnCompensationFailure::Halt;
        let mut halted = !Self::goes_back(meta, past_pivot, compensations);
        let entries = &self.stack.entries;
        compensations.reserve_exact(entries.len());
        if meta.compensations == CompensationOrder::Parallel && !halted {
            return self.unwind_at_once(compensations).await;
        }
        for (index, entry) in entries.iter().enumerate().rev() {
            if !needs_undoing(entry) {
                continue;
            }
            let step = entry.step().name;
            let compensation = if halted {
                let outcome = CompensationOutcome::Pending;
                Compensation { step, outcome }
            } else {
                let outcome = entry.compensate(self.engine, &self.stack, index).await?;
                Compensation { step, outcome }
            };
            halted |= halts && compensation.has_failed();
            compensations.push(compensation);
        }
        Ok(())
    }

    /// Compensates all that was done at the same time.
    async fn unwind_at_once(
        &self,
        compensations: &mut Vec<Compensation>,
    ) -> Result<(), E::Suspension> {
        let mut steps = Vec::with_capacity(self.stack.entries.len());
        let mut running = Vec::with_capacity(self.stack.entries.len());
        for (index, entry) in self.stack.entries.iter().enumerate().rev() {
            if needs_undoing(entry) {
                steps.push(entry.step().name);
                running.push(entry.compensate(self.engine, &self.stack, index));
            }
        }
        for (step, outcome) in steps.into_iter().zip(join_all(running).await) {
            let outcome = outcome?;
            compensations.push(Compensation { step, outcome });
        }
        Ok(())
    }

    /// Whether a step that can't be undone was done, or may have been.
    fn is_past_pivot(&self, settled: &[Compensation]) -> bool {
        let closes = |kind| matches!(kind, Kind::Pivot | Kind::Retriable);
        let entries = &self.stack.entries;
        let done = entries
            .iter()
            .any(|entry| entry.was_done() && closes(entry.step().kind));
        let in_doubt = settled.iter().any(Compensation::has_failed)
            && entries
                .last()
                .is_some_and(|entry| closes(entry.step().kind));
        done || in_doubt
    }
}
