//! The engine on a journal: it replays the recorded calls and records new ones. A [`Coordinator`](crate::Coordinator)
//! runs it.
//!
//! An outcome is noted at once and appended before the next request. So a saga of N steps is appended N + 1 times: its
//! start, one outcome each, and the last outcome together with the end.

mod activity;
mod ambient;
pub(crate) mod bulkheads;
mod changed;
mod cursor;
#[cfg(feature = "testing")]
pub(crate) mod faults;
mod handled;
mod outcome;
pub(crate) mod recorder;
mod replay;
mod request;
mod surroundings;
pub(crate) mod undo;
mod unreplayed;
mod wait;

use std::borrow::Cow;
use std::collections::HashSet;
use std::convert::Infallible;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{self, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

use crate::metrics::AttemptMeters;
use activity::Activity;
use bulkheads::Bulkheads;
use cursor::Cursors;
use replay::Unsettled;
use surroundings::Around;
use unreplayed::Unreplayed;

use crate::attempts::{
    AttemptResult, Compensate, Control, FailureCause, PendingStep, StepCompensator, StepEnd,
    Verdict, compensate,
};
use crate::clock::Clock;
use crate::engines::control::LocalControl;
use crate::engines::journaled::recorder::{Recorder, Suspension};
use crate::error::{Cause, CompensationOutcome, NOT_UNDONE_CODE, Reason};
use crate::journal::history::KeptHistory;
use crate::journal::{Event, StepCall};
use crate::language::{ReadError, ReadEvent, Wait};
use crate::meta::{
    AttemptPhase, OnCompensationFailure, Overrides, Policy, RetryDefaults, SagaMeta, StepMeta,
};
use crate::panic::{contain, drop_caught, replace_caught, text};
use crate::place::{Calls, Group, Instance, Position};
use crate::run::{Engine, Saga, SagaEnd, WaitEnd};
use ambient::RecordedAmbient;

/// The rules of a coordinator for all of its sagas.
#[derive(Debug, Clone)]
pub(crate) struct Policies {
    /// The longest that an attempt may take, where the step says nothing.
    pub(crate) attempt_timeout: Duration,
    /// The largest recorded input or output, in bytes of JSON.
    pub(crate) payload_limit: usize,
    /// The longest wait during which the saga stays in memory.
    pub(crate) patience: Duration,
    /// The retry policies of what must succeed, where a step says nothing.
    pub(crate) retries: RetryDefaults,
    /// The attempts of a compensation before the earlier steps are compensated.
    pub(crate) attempts_in_order: u32,
    /// The policies that the settings give to steps.
    pub(crate) overrides: Overrides,
    pub(crate) bulkheads: Bulkheads,
    pub(crate) attempts: AttemptMeters,
    pub(crate) clock: Clock,
    /// The faults that a test injects.
    #[cfg(feature = "testing")]
    pub(crate) faults: Option<Arc<dyn faults::Faults>>,
}

/// One saga that a worker has claimed.
#[derive(Debug)]
pub(crate) struct Journaled {
    pub(crate) instance: Instance,
    pub(crate) control: Arc<LocalControl>,
    pub(crate) history: KeptHistory,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) policies: Arc<Policies>,
    /// The number of processes that have ended since the last entry: each may have made an attempt.
    crashes: u32,
    on_compensation_failure: OnCompensationFailure,
    /// The policies of steps that say nothing.
    policy: Option<Box<Policy>>,
    activity: Activity,
    cursors: Cursors,
    /// The paths of the called sagas of which steps are recorded, when a group asks for the first time.
    #[expect(
        clippy::box_collection,
        reason = "most sagas have none, and a pointer takes less room than an empty set"
    )]
    called_sagas: OnceLock<Box<HashSet<String>>>,
    unreplayed: Unreplayed,
    /// True once the whole saga is compensated, and not a part of it whose failure the body handles.
    goes_back: AtomicBool,
}

impl Journaled {
    pub(crate) fn new(
        instance: Instance,
        control: Arc<LocalControl>,
        history: KeptHistory,
        recorder: Arc<Recorder>,
        policies: Arc<Policies>,
        crashes: u32,
        saga: &SagaMeta,
    ) -> Self {
        let values = Arc::new(RecordedAmbient::new(
            &history,
            Arc::clone(&recorder),
            policies.clock,
        ));
        Self {
            instance: instance.with_ambient(values),
            unreplayed: Unreplayed::new(&history),
            control,
            history,
            recorder,
            policies,
            crashes,
            on_compensation_failure: saga.on_compensation_failure,
            policy: saga.default_policy().copied().map(Box::new),
            activity: Activity::default(),
            cursors: Cursors::default(),
            called_sagas: OnceLock::new(),
            goes_back: AtomicBool::new(false),
        }
    }

    /// The step with the policies that hold for it.
    #[inline]
    pub(super) fn holding(&self, step: &'static StepMeta) -> Cow<'static, StepMeta> {
        let defaults = self.policy.as_deref().unwrap_or(&const { Policy::new() });
        self.policies.overrides.of(step, defaults)
    }

    /// Drives the saga. Suspends it when all that it does is to wait for long.
    pub(crate) fn until_idle<F: Future>(&self, driving: F) -> UntilIdle<'_, F> {
        UntilIdle {
            engine: self,
            driving,
        }
    }

    fn suspend_if_idle(&self) -> bool {
        self.activity
            .suspend_if_idle(|events| self.recorder.close_until(events))
    }

    /// Checks that the body has made every recorded call.
    pub(crate) fn replayed(&self) -> Result<(), Suspension> {
        if self.unreplayed.is_over() {
            return Ok(());
        }
        let made = |lane: &str| self.cursors.get(lane);
        match self.unreplayed.first(&self.history, made, None) {
            Some((number, call)) => Err(self.ends_before(number, call)),
            None => Ok(()),
        }
    }

    /// Checks, before the body makes a call without an outcome, that it has made every recorded one, unless that runs
    /// at the same time.
    fn may_go_on(&self, number: usize, called: &StepCall) -> Result<(), Suspension> {
        self.unreplayed.make_attempted(called);
        if self.unreplayed.may_go_on(called.lane()) {
            return Ok(());
        }
        Err(self.missed(number, called))
    }

    /// Checks that a call with an outcome comes after the calls that are recorded before it, in whatever saga they are.
    fn is_in_order(&self, number: usize, called: &StepCall) -> Result<(), Suspension> {
        if self.unreplayed.is_in_order(called, &self.history) {
            return Ok(());
        }
        Err(self.missed(number, called))
    }

    /// The body makes a call, and has not made another one that is recorded before.
    fn missed(&self, number: usize, called: &StepCall) -> Suspension {
        let made = |lane: &str| self.cursors.get(lane);
        let lane = called.lane();
        match self.unreplayed.first(&self.history, made, Some(lane)) {
            Some((_, recorded)) if recorded.lane() == lane => {
                self.other_call(number, called, recorded)
            }
            Some((number, recorded)) => self.comes_before(number, called, recorded),
            None => self.out_of_order(number, called),
        }
    }
}

pin_project! {
    /// A saga that is driven, and that is suspended when it is idle. The future of the driver is large: an `async fn` would hold it twice,
    /// as an argument and as a variable.
    pub(crate) struct UntilIdle<'a, F> {
        engine: &'a Journaled,
        #[pin]
        driving: F,
    }
}

impl<F: Future> Future for UntilIdle<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        loop {
            let polled = this.driving.as_mut().poll(cx);
            // An idle saga is suspended, which it learns when it is polled again.
            if polled.is_ready() || !this.engine.suspend_if_idle() {
                return polled;
            }
        }
    }
}

impl Engine for Journaled {
    type Suspension = Suspension;
    type End<G: Saga> = SagaEnd<G, Suspension>;

    fn instance(&self) -> &Instance {
        &self.instance
    }

    fn end<G: Saga>(&self, end: SagaEnd<G, Suspension>) -> Self::End<G> {
        if let SagaEnd::Suspended(Suspension::Asleep(_)) = end {
            // Of all waits, the first that ends wakes the saga.
            return SagaEnd::Suspended(Suspension::Asleep(self.activity.wakeup()));
        }
        if let SagaEnd::Failed(_) = end
            && self.activity.has_deferred()
        {
            // The compensations that keep failing are attempted again when the saga wakes up.
            self.recorder.close();
            drop_caught(end);
            return SagaEnd::Suspended(Suspension::Asleep(self.activity.wakeup()));
        }
        let mut end = match end {
            // The first caller gets what all others read.
            SagaEnd::Failed(error) => SagaEnd::Failed(match self.history.decision() {
                Some(decision) => {
                    error.with_cause(|_| Some(G::error_record().cause(&decision.reason)))
                }
                None => G::error_record().as_recorded(error),
            }),
            end => end,
        };
        let noted = match &mut end {
            SagaEnd::Completed(output) => self.completed(output).map(|read| {
                replace_caught(output, read);
            }),
            SagaEnd::Failed(error) => self.replayed().map(|()| {
                if error.is_final() {
                    self.recorder.note(Event::Compensated);
                } else {
                    self.recorder.note_stuck(error.stuck_because());
                }
            }),
            SagaEnd::Suspended(Suspension::Stuck(reason)) => Err(Suspension::Stuck(reason.clone())),
            SagaEnd::Suspended(_) => Ok(()),
        };
        match noted {
            Ok(()) => end,
            Err(suspension) => {
                if let Suspension::Stuck(reason) = &suspension {
                    self.recorder.note_stuck(reason.clone());
                }
                drop_caught(end);
                SagaEnd::Suspended(suspension)
            }
        }
    }

    fn set_apart<'a, F: Future + Send + 'a>(
        rare: F,
    ) -> impl Future<Output = F::Output> + Send + 'a {
        Box::pin(rare)
    }

    fn outcome_of(&self, suspension: &Suspension) -> &'static str {
        suspension.outcome()
    }

    fn goes_on_later(&self) -> bool {
        self.activity.has_deferred()
    }

    async fn step<'a>(
        &'a self,
        calls: &'a dyn Calls,
        step: &'a mut dyn PendingStep,
        _: Option<Verdict>,
    ) -> StepEnd<Suspension> {
        let _call = self.activity.call();
        let position = Position::new(calls, step.meta(), calls.count());
        #[cfg(feature = "testing")]
        let mut wrapped;
        #[cfg(feature = "testing")]
        let step: &mut dyn PendingStep = match &self.policies.faults {
            Some(faults) => {
                let call = call(position);
                wrapped = faults::FaultyStep::new(step, call, &**faults, &self.control);
                &mut wrapped
            }
            None => step,
        };
        let ended = contain(async {
            let keep = |_: &Suspension| self.recorder.keep_misfit(&call(position));
            let unsettled = match self.replay(position, step).inspect_err(keep)? {
                ControlFlow::Break(end) => return Ok(end),
                ControlFlow::Continue(unsettled) => unsettled,
            };
            match unsettled {
                Unsettled::Request => Ok(self.request(position, step).await),
                Unsettled::InDoubt { reason, crashes } => {
                    Box::pin(self.settle(position, step, reason, crashes)).await
                }
            }
        });
        let ended = ended.await;
        let ended = ended.unwrap_or_else(|panic| {
            self.set_in_doubt(calls, true);
            Err(panicked(&panic))
        });
        match ended {
            Ok(end) => end,
            Err(suspension) => StepEnd::Suspended(suspension),
        }
    }

    async fn wait<'a>(
        &'a self,
        calls: &'a dyn Calls,
        callee: &'static StepMeta,
        wait: Wait,
        can_read: ReadEvent<'a>,
    ) -> WaitEnd<Suspension> {
        let _call = self.activity.call();
        match self.wait_until_over(calls, callee, wait, can_read).await {
            Ok(end) => end,
            Err(suspension) => WaitEnd::Suspended(suspension),
        }
    }

    fn begin_group(&self, group: &Group<'_>) -> Result<(), Suspension> {
        #[cfg(feature = "testing")]
        if let Some(faults) = &self.policies.faults {
            faults.begin_group(faults::members(group));
        }
        self.begin_members(group)
    }

    async fn member_ended(&self) -> Result<(), Suspension> {
        let _call = self.activity.call();
        self.recorder.write().await
    }

    fn end_group(&self, group: &Group<'_>, is_suspended: bool) {
        self.end_members(group, is_suspended);
    }

    fn stops_at_end(&self) -> Option<Cause<Infallible>> {
        let Some(decision) = self.history.decision() else {
            return (!self.control.way_back().end()).then_some(Cause::Cancelled);
        };
        // In an earlier process it was stopped from outside, at its end or during its last step, which is recorded as done.
        // Any other decision has changed the path of the body.
        let Reason { code, message, .. } = &decision.reason;
        let from_outside = [Cause::Cancelled, Cause::DeadlineExceeded];
        // A part that could not be undone may be undone by now: an operator has mended that.
        let is_stopped = code == NOT_UNDONE_CODE
            || from_outside
                .iter()
                .any(|cause: &Cause<Infallible>| cause.code() == code);
        is_stopped.then(|| Cause::recorded(code, message.clone()))
    }

    async fn handle_failure<'a>(
        &'a self,
        calls: &'a dyn Calls,
        callee: &'static StepMeta,
        failure: Option<Reason>,
        read: ReadError<'a>,
    ) -> Result<Option<Reason>, Suspension> {
        self.note_handled(calls, callee, failure, read)
    }

    fn begin_compensation(&self, step: Option<&str>, cause: &FailureCause<'_>) {
        self.goes_back.store(true, Ordering::Relaxed);
        // A saga that goes back before it has made every recorded call is stuck: that is no decision.
        if self.history.decision().is_none() && self.unreplayed.is_over() {
            self.recorder.note(Event::Compensating {
                step: step.map(|step| step.to_owned().into()),
                reason: Reason {
                    error: (cause.error)(),
                    ..Reason::new(cause.code, text(cause))
                },
            });
        }
    }

    async fn compensate<'a>(
        &'a self,
        position: Position<'a>,
        step: &'a dyn Compensate,
        _: Option<AttemptResult<(), String>>,
    ) -> Result<CompensationOutcome, Suspension> {
        let _call = self.activity.call();
        let call = call(position);
        if let Some(outcome) = self.history.compensation(&call) {
            return Ok(outcome.clone());
        }
        if self.goes_back.load(Ordering::Relaxed) {
            self.replayed()?;
        } else {
            self.replayed_up_to(call.lane())?;
        }
        self.compensate_call(call, position, step).await
    }
}

impl Journaled {
    /// Compensates one call until that succeeds or has failed for good, and notes the outcome.
    async fn compensate_call(
        &self,
        call: StepCall,
        position: Position<'_>,
        step: &dyn Compensate,
    ) -> Result<CompensationOutcome, Suspension> {
        self.recorder.begin_effect()?;
        self.recorder.write().await?;
        if let Some(suspension) = self.recorder.stop() {
            return Err(suspension);
        }
        #[cfg(feature = "testing")]
        let wrapped;
        #[cfg(feature = "testing")]
        let step: &dyn Compensate = match &self.policies.faults {
            Some(faults) => {
                wrapped = faults::FaultyCompensation {
                    step,
                    call: call.clone(),
                    meta: position.step(),
                    faults: &**faults,
                };
                &wrapped
            }
            None => step,
        };
        let phase = AttemptPhase::Compensating;
        let failing = self.history.failing(&call, phase);
        // An attempt that is not due was not under way when a process ended.
        let is_due = failing.is_none_or(|failing| self.time_until(failing.until).is_zero());
        let crashes = self.crashes_of(is_due && self.take_in_doubt(position.calls()));
        let around = Around::new(self, call, true);
        let compensator = &mut StepCompensator(step);
        let origin = around.compensation_origin(phase, crashes);
        let made = compensate(compensator, phase, position, origin, &around).await;
        if let Err(Suspension::Deferred) = made {
            return Ok(CompensationOutcome::Pending);
        }
        let (attempts, end) = made?;
        let step = around.call;
        self.recorder.note(match &end {
            Ok(()) => Event::CompensationDone { step, attempts },
            Err(failure) => Event::CompensationFailed {
                step,
                attempts,
                message: failure.message.clone(),
            },
        });
        Ok(end.into())
    }
}

/// The suspension after a panic of which no outcome accounts: an operator sees it, and the step is asked again by a retry.
fn panicked(panic: &str) -> Suspension {
    Suspension::stuck("panicked", format!("panicked: {panic}"))
}

/// The call of the step at this position.
fn call(position: Position<'_>) -> StepCall {
    StepCall {
        name: position.name(),
        occurrence: u32::try_from(position.occurrence()).unwrap_or(u32::MAX),
        kind: position.step().kind,
    }
}
