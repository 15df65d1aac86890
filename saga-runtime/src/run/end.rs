//! The end of a run: the result is handed out, or what was done is unwound.

use tracing::{Instrument, Span};

use super::undo::{Entry, Undo, Unwinding};
use super::watch::Forward;
use super::{Room, Run, Stop};
use crate::compensation::OnCompensationFailure;
use crate::engine::{Engine, Failing};
use crate::error::{Cause, Compensation, SagaError};
use crate::pursuit::BoxFuture;
use crate::saga::{Saga, SagaEnd, SagaMeta};
use crate::telemetry;

impl<E: Engine, U: Entry, R: Room> Run<'_, '_, E, U, R>
where
    R::Stack<U>: Send + Sync,
{
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
    ) -> BoxFuture<'_, E::End<G>>
    where
        U: Undo<E>,
    {
        match &self.watch.span {
            None => Box::pin(self.end(body)),
            Some(span) => {
                let span = Span::clone(span);
                Box::pin(self.end(body).instrument(span))
            }
        }
    }

    async fn end<G: Saga>(&mut self, body: Forward<Result<G::Output, G::Error>>) -> E::End<G>
    where
        U: Undo<E>,
    {
        let cause = match body {
            Forward::Returned(Ok(output)) => return self.complete(output),
            Forward::Returned(Err(error)) => Cause::Error(error),
            Forward::Panicked(message) => Cause::Panicked { message },
            Forward::Stopped => match self.take_stop() {
                Stop::Cause(cause) => cause.widen(),
                Stop::Suspended(suspension) => {
                    return self.engine.end(SagaEnd::Suspended(suspension));
                }
            },
        };
        let failed_at = self.take_failed_at();
        let settled = self
            .given_up
            .take()
            .map_or_else(Vec::new, |one| one.settled);
        let past_pivot = self.is_past_pivot(&settled);
        let goes_back = Self::goes_back(&G::META, past_pivot, &settled);
        if goes_back {
            let failing = Failing {
                code: cause.code(),
                message: &cause,
            };
            self.engine
                .begin_compensation(failed_at.as_deref(), &failing);
        }
        let mut unwinding = Unwinding::new(&G::META, settled, goes_back);
        let unwound = unwinding.run(self.engine, &self.stack, self.stack.entries());
        let end = match unwound.await {
            Ok(()) => {
                let id = self.engine.instance().known_id().cloned();
                let compensations = unwinding.compensations;
                let error = SagaError::new(
                    G::META.name,
                    id,
                    failed_at,
                    cause,
                    compensations,
                    past_pivot,
                );
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

    /// Why the body was not polled again.
    pub(super) fn take_stop(&mut self) -> Stop<E::Suspension> {
        match self.given_up.as_mut().and_then(|one| one.stop.take()) {
            Some(stop) => stop,
            None => unreachable!("the watch is only raised together with a reason to stop"),
        }
    }

    /// Whether compensations run at all: the pivot is not behind, and no failure has halted them already.
    fn goes_back(meta: &SagaMeta, past_pivot: bool, settled: &[Compensation]) -> bool {
        let halts = meta.on_compensation_failure == OnCompensationFailure::Halt;
        !(past_pivot || halts && settled.iter().any(Compensation::has_failed))
    }

    /// Whether a step that can't be undone was done, or may have been.
    fn is_past_pivot(&self, settled: &[Compensation]) -> bool {
        let entries = self.stack.entries();
        let in_doubt = settled.iter().any(Compensation::has_failed)
            && entries.last().is_some_and(Entry::may_close);
        in_doubt || entries.iter().any(Entry::closes)
    }
}
