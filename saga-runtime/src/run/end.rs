//! The end of a run: the result is handed out, or the steps that are done are compensated.

use std::borrow::Cow;
use std::fmt::Display;
use std::mem;
use std::sync::{Mutex, OnceLock, PoisonError};

use tracing::{Instrument, Span};

use crate::attempts::FailureCause;
use crate::error::{Cause, Compensation, SagaError, Unescaped};
use crate::lock::lock;
use crate::meta::{OnCompensationFailure, SagaMeta};
use crate::panic::{drop_caught, text};
use crate::place::Failure;
use crate::run::body::Forward;
use crate::run::slots::Slots;
use crate::run::unwind::{EndedCalls, KnownFailure, Unwindable, Unwinding};
use crate::run::{Engine, GivenUp, Revision, Run, Saga, SagaEnd, Stop};
use crate::telemetry;

impl<E: Engine> Run<'_, '_, E> {
    /// Ends the run of a saga that completed.
    #[inline]
    pub(super) fn complete<G: Saga>(&self, output: G::Output) -> E::End<G> {
        if let Some(span) = &self.watch.span {
            telemetry::record_outcome(span, "completed");
        }
        self.engine.end(SagaEnd::Completed(output))
    }

    /// Ends the run of a saga that did not complete: compensates the steps that are done.
    pub(super) async fn finish<G: Saga, L: Slots<E>>(
        &self,
        slots: &L,
        body: Forward<Result<G::Output, G::Error>>,
    ) -> E::End<G> {
        let ended = EndedCalls::of(self.engine, self, slots);
        let FailedRun {
            failed,
            settled,
            past_pivot,
            goes_back,
        } = match self.watch.inside(|| self.failing::<G, _>(&ended, body)) {
            Ok(failing) => failing,
            Err(end) => return end,
        };
        let mut unwinding = Unwinding::new(&G::META, settled, goes_back, &failed);
        let unwound = match &self.watch.span {
            None => unwinding.run(&ended, &self.called).await,
            Some(span) => {
                let unwinding = Box::pin(unwinding.run(&ended, &self.called));
                unwinding.instrument(Span::clone(span)).await
            }
        };
        let compensations = unwinding.compensations;
        if let Err(suspension) = unwound {
            return self.watch.inside(|| self.suspend(suspension));
        }
        // A saga that only goes forward is not undone, whatever an operator decides.
        let is_open = !past_pivot && compensations.iter().any(Compensation::is_open);
        let failure = is_open.then(|| failed.get().clone());
        let mut error = self.report::<G>(failed, compensations, past_pivot);
        if let Some(failure) = failure {
            let revised = Box::pin(self.revise::<G, _>(&ended, &failure, &mut error)).await;
            if let Err(suspension) = revised {
                drop_caught(error);
                return self.watch.inside(|| self.suspend(suspension));
            }
        }
        self.watch
            .inside(|| self.engine.end(SagaEnd::Failed(error)))
    }

    /// Lets the engine decide about the compensations that are open, until none is or the end of the saga stands.
    async fn revise<G: Saga, L: Unwindable<E> + ?Sized>(
        &self,
        ended: &EndedCalls<'_, E, L>,
        failure: &Failure,
        error: &mut SagaError<G::Error>,
    ) -> Result<(), E::Suspension> {
        while !error.is_final() {
            let revision = self.engine.revise::<G>(error).await?;
            if revision == Revision::Stands {
                break;
            }
            let (standing, mut open) = revision.split(mem::take(error.compensations_mut()));
            let mut unwinding = Unwinding::again(&G::META, standing, &open, failure);
            let unwound = unwinding.run(ended, &self.called);
            match &self.watch.span {
                None => unwound.await?,
                Some(span) => unwound.instrument(Span::clone(span)).await?,
            }
            let mut compensations = unwinding.compensations;
            // A call of a part whose failure the body has handled is not attempted again.
            open.retain(|one| {
                !compensations
                    .iter()
                    .any(|made| made.is_of(&one.step, one.occurrence as usize))
            });
            compensations.extend(open);
            *error.compensations_mut() = compensations;
            self.record_failure(error);
        }
        Ok(())
    }

    /// Ends a run whose saga goes on later, or is stuck.
    fn suspend<G: Saga>(&self, suspension: E::Suspension) -> E::End<G> {
        if let Some(span) = &self.watch.span {
            telemetry::record_outcome(span, self.engine.outcome_of(&suspension));
        }
        self.engine.end(SagaEnd::Suspended(suspension))
    }

    /// Finds out why the saga has failed, and begins to compensate it; unless this is its end.
    fn failing<G: Saga, L: Unwindable<E> + ?Sized>(
        &self,
        ended: &EndedCalls<'_, E, L>,
        body: Forward<Result<G::Output, G::Error>>,
    ) -> Result<FailedRun<G::Error>, E::End<G>> {
        let GivenUp {
            settled,
            failed,
            stop,
        } = self.take_given_up();
        let cause = match body {
            Forward::Returned(Ok(output)) => return Err(self.complete(output)),
            Forward::Returned(Err(error)) => Cause::Error(error),
            // Something may panic while the body is left. Why it is left counts.
            Forward::Panicked(message) if stop.is_none() => Cause::Panicked { message },
            Forward::Panicked(_) | Forward::Stopped => match reason(stop) {
                Stop::Cause(cause) => cause.widen(),
                Stop::Suspended(suspension) => {
                    return Err(self.suspend(suspension));
                }
            },
        };
        let failed_at = self.failed_at(failed, ended.names_differ);
        let past_pivot = self.is_past_pivot(ended, &settled);
        let goes_back = goes_back(&G::META, past_pivot, &settled);
        if goes_back {
            let failing = FailureCause {
                code: cause.code(),
                message: &Unescaped(&cause),
                error: &|| match &cause {
                    Cause::Error(error) => G::error_record().write(error),
                    _ => None,
                },
            };
            self.engine
                .begin_compensation(failed_at.as_deref(), &failing);
        }
        Ok(FailedRun {
            failed: Failed::new(failed_at, cause),
            settled,
            past_pivot,
            goes_back,
        })
    }

    /// The report of a saga that has failed.
    fn report<G: Saga>(
        &self,
        failed: Failed<G::Error>,
        compensations: Vec<Compensation>,
        past_pivot: bool,
    ) -> SagaError<G::Error> {
        let (failed_at, cause) = failed.into_parts();
        let id = self.engine.instance().known_id().cloned();
        let error = SagaError::new(
            G::META.name,
            id,
            failed_at,
            cause,
            compensations,
            past_pivot,
            G::source_of,
        );
        self.record_failure(&error);
        error
    }

    /// Records the end of the saga in its span.
    fn record_failure<F>(&self, error: &SagaError<F>) {
        if let Some(span) = &self.watch.span {
            let outcome = if self.engine.goes_on_later() {
                telemetry::RESTS
            } else if error.is_compensated() {
                "compensated"
            } else {
                "stuck"
            };
            telemetry::record_outcome(span, outcome);
        }
    }

    /// Returns true if a step that can't be compensated is done, or may be.
    fn is_past_pivot<L: Unwindable<E> + ?Sized>(
        &self,
        ended: &EndedCalls<'_, E, L>,
        settled: &[Compensation],
    ) -> bool {
        let in_doubt =
            settled.iter().any(Compensation::has_failed) && ended.may_close(self.called.backward());
        in_doubt || ended.closes(self.called.backward())
    }
}

/// The run of a saga that has failed, before its steps are compensated.
struct FailedRun<E> {
    failed: Failed<E>,
    settled: Vec<Compensation>,
    past_pivot: bool,
    goes_back: bool,
}

/// What has failed, and why. Compensations see it as text, which is written when the first of them asks for it.
struct Failed<E> {
    call: Option<Cow<'static, str>>,
    /// An error of a saga need not be `Sync`.
    cause: Mutex<Cause<E>>,
    written: OnceLock<Failure>,
}

impl<E> Failed<E> {
    fn new(call: Option<Cow<'static, str>>, cause: Cause<E>) -> Self {
        Self {
            call,
            cause: Mutex::new(cause),
            written: OnceLock::new(),
        }
    }

    fn into_parts(self) -> (Option<Cow<'static, str>>, Cause<E>) {
        let cause = self.cause.into_inner();
        (self.call, cause.unwrap_or_else(PoisonError::into_inner))
    }
}

impl<E: Display + Send> KnownFailure for Failed<E> {
    fn get(&self) -> &Failure {
        self.written.get_or_init(|| {
            let cause = lock(&self.cause);
            Failure::new(self.call.clone(), cause.code(), text(&Unescaped(&*cause)))
        })
    }
}

/// The reason why the body was not polled again.
pub(super) fn reason<X>(stop: Option<Stop<X>>) -> Stop<X> {
    match stop {
        Some(stop) => stop,
        None => unreachable!("the watch is only raised together with a reason to stop"),
    }
}

/// Returns true if compensations run at all: the pivot is not done, and no failure has halted them already.
fn goes_back(meta: &SagaMeta, past_pivot: bool, settled: &[Compensation]) -> bool {
    let halts = meta.on_compensation_failure == OnCompensationFailure::Halt;
    !(past_pivot || halts && settled.iter().any(Compensation::has_failed))
}
