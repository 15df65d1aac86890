//! The seam between a saga and its execution: the generated driver calls an engine for every effect.

use std::convert::Infallible;
use std::future::{poll_fn, ready};
use std::pin::Pin;
use std::task::Poll;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::attempts::{AttemptResult, Compensate, FailureCause, PendingStep, StepEnd, Verdict};
use crate::error::{Cause, Compensation, CompensationOutcome, Reason, SagaError};
use crate::language::{ReadError, ReadEvent, Wait};
use crate::meta::StepMeta;
use crate::place::{Calls, Group, Instance, Position};
use crate::run::{Saga, SagaEnd};

/// Runs the effects of one saga: its steps and compensations.
///
/// The driver that [`saga!`](crate::saga!) generates calls [`step`](Self::step) for one step after the other, and keeps
/// the values for compensation. If the saga fails, it calls [`begin_compensation`](Self::begin_compensation) once, then
/// [`compensate`](Self::compensate) for each step that is done, last first, or for all of them at once if the saga says
/// `compensations = parallel`.
///
/// ```text
/// driver ──▶ step a ─▶ step b ─▶ step c: refused
///                                   │
///              begin_compensation ◀─┘
///              compensate b ─▶ compensate a
/// ```
///
/// # What an engine promises
/// * An outcome that [`step`](Self::step) has returned is settled. An engine with a journal has it durable before it
///   requests anything else.
/// * A step is asked again only with equal arguments and the same idempotency key.
/// * A panic in a step or a compensation is an outcome like any other and doesn't leave the engine.
/// * Compensations are not subject to the saga's cancellation or deadline.
pub trait Engine: Send + Sync {
    /// The reason for which the engine can suspend a saga that is neither finished nor failed. For example, another
    /// process has claimed it. [`Infallible`](std::convert::Infallible) if it never suspends a saga.
    type Suspension: Send + Sync;

    /// The value that driving the saga `G` on this engine gives.
    type End<G: Saga>;

    /// The saga that this engine runs.
    fn instance(&self) -> &Instance;

    /// Hands out the end of the saga.
    fn end<G: Saga>(&self, end: SagaEnd<G, Self::Suspension>) -> Self::End<G>;

    /// Makes a future that most runs do not need. Where many sagas are in flight, each of them holds room for the future, so the engine
    /// may place it behind a pointer.
    fn set_apart<'a, F: Future + Send + 'a>(
        rare: F,
    ) -> impl Future<Output = F::Output> + Send + 'a {
        rare
    }

    /// The outcome of a run that ends with this suspension, in the span of the run: a saga that rests has not ended.
    fn outcome_of(&self, suspension: &Self::Suspension) -> &'static str {
        let _ = suspension;
        "suspended"
    }

    /// Returns true if attempts to undo a step are left for later: the saga has not failed for good, also if its
    /// compensations have failed so far.
    fn goes_on_later(&self) -> bool {
        false
    }

    /// Returns true if the driver may make the first attempt of a step by itself, and hand in its verdict only if it is
    /// not [`Done`](crate::engine::AttemptResult::Done). That is so if no subscriber watches the saga, and nothing can
    /// interrupt it.
    #[inline]
    fn trusts_first_attempts(&self) -> bool {
        false
    }

    /// Runs a step, which is called after `calls`, until its outcome is settled: attempts, timeouts, retries, and
    /// doubt. Goes on after the `first` attempt, if the driver has made it.
    fn step<'a>(
        &'a self,
        calls: &'a dyn Calls,
        step: &'a mut dyn PendingStep,
        first: Option<Verdict>,
    ) -> impl Future<Output = StepEnd<Self::Suspension>> + Send;

    /// Waits until a time has passed or one of the wait's events has come, whichever is first: the call of `callee` after `calls`. No
    /// step runs during the wait, except in other members of a group.
    fn wait<'a>(
        &'a self,
        calls: &'a dyn Calls,
        callee: &'static StepMeta,
        wait: Wait,
        read: ReadEvent<'a>,
    ) -> impl Future<Output = WaitEnd<Self::Suspension>> + Send;

    /// Announces that the members of `group` are called next.
    ///
    /// # Errors
    /// The reason for which the engine suspends the saga instead.
    fn begin_group(&self, group: &Group<'_>) -> Result<(), Self::Suspension> {
        let _ = group;
        Ok(())
    }

    /// Polls the members of a group at the same time, until all of them have ended. Each of them calls
    /// [`step`](Self::step), once or one after the other.
    fn join<'a>(&'a self, members: &'a mut [GroupMember<'_>]) -> impl Future<Output = ()> + Send {
        let _ = self;
        all(members)
    }

    /// Polls the calls of a fan-out, at most `limit` at the same time, until all that were begun have ended. Each of
    /// them calls [`step`](Self::step), once or one after the other, and returns true if another one may be begun after
    /// it. The first `at_least` are begun in any case.
    fn join_all<'a>(
        &'a self,
        limit: Option<usize>,
        at_least: usize,
        calls: &'a mut (dyn Iterator<Item = FanOutCall<'a>> + Send),
    ) -> impl Future<Output = ()> + Send {
        let _ = self;
        window(limit, at_least, calls)
    }

    /// Makes the outcome of a member durable that has ended, while the others still run.
    fn member_ended(&self) -> impl Future<Output = Result<(), Self::Suspension>> + Send {
        ready(Ok(()))
    }

    /// Announces that all members of `group` have ended, or that the engine has suspended one of them.
    fn end_group(&self, group: &Group<'_>, is_suspended: bool) {
        let _ = (group, is_suspended);
    }

    /// Records that the body handles the failure of the saga `callee`, which was called after `calls`. Its calls are compensated
    /// next, before the body goes on. `failure` is the failure in this run; `None` if a record of an earlier process has given its text
    /// alone. `read` checks that a recorded error can be read.
    ///
    /// Returns the failure with which the body goes on: the recorded one, if there is one. `None` if the body does not get it, and the
    /// saga around it fails.
    fn handle_failure<'a>(
        &'a self,
        calls: &'a dyn Calls,
        callee: &'static StepMeta,
        failure: Option<Reason>,
        read: ReadError<'a>,
    ) -> impl Future<Output = Result<Option<Reason>, Self::Suspension>> + Send {
        let _ = (calls, callee, read);
        ready(Ok(failure))
    }

    /// Makes final that the saga is compensated, because it failed at `step` (or in its own code) for this `cause`. No
    /// step is requested any more. The record of this decision is durable before the first compensation is requested.
    fn begin_compensation(&self, step: Option<&str>, cause: &FailureCause<'_>) {
        let _ = (step, cause);
    }

    /// Called when the body has returned its output, the last moment to stop the saga. Returns the reason to compensate it
    /// instead, if there is one.
    #[inline]
    fn stops_at_end(&self) -> Option<Cause<Infallible>> {
        None
    }

    /// Called when all compensations have ended, and some have failed for good or did not run: `error` says which. An
    /// engine with operators waits for a decision here, notes it with [`SagaError::decide`], and returns the compensations
    /// that are to be attempted then.
    fn revise<'a, G: Saga>(
        &'a self,
        error: &'a mut SagaError<G::Error>,
    ) -> impl Future<Output = Result<Revision, Self::Suspension>> + Send {
        let _ = error;
        ready(Ok(Revision::Stands))
    }

    /// Compensates a step until that succeeds or has failed for good. Goes on after the `first` attempt, if it was
    /// made.
    fn compensate<'a>(
        &'a self,
        position: Position<'a>,
        step: &'a dyn Compensate,
        first: Option<AttemptResult<(), String>>,
    ) -> impl Future<Output = Result<CompensationOutcome, Self::Suspension>> + Send;
}

/// The compensations that are attempted once more, by the answer of [`Engine::revise`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revision {
    /// None: the saga has ended like this.
    Stands,
    /// The ones that did not run.
    Pending,
    /// The same, and the ones that have failed.
    Open,
}

impl Revision {
    /// Splits the outcomes of an unwinding into those that stand, and those of the calls that are attempted once more.
    pub(super) fn split(
        self,
        outcomes: Vec<Compensation>,
    ) -> (Vec<Compensation>, Vec<Compensation>) {
        outcomes.into_iter().partition(|one| match one.outcome {
            CompensationOutcome::Pending => self == Self::Stands,
            CompensationOutcome::Failed(_) => self != Self::Open,
            _ => true,
        })
    }
}

/// A member of a group while it runs.
pub type GroupMember<'a> = Pin<&'a mut (dyn Future<Output = ()> + Send)>;

/// A call of a fan-out while it runs. It returns true if another one may be begun after it.
pub type FanOutCall<'a> = Pin<Box<dyn Future<Output = bool> + Send + 'a>>;

/// Runs the calls of a fan-out. Each is polled only when it can go on, however many there are.
async fn window(
    limit: Option<usize>,
    at_least: usize,
    calls: &mut (dyn Iterator<Item = FanOutCall<'_>> + Send),
) {
    let limit = limit.unwrap_or(usize::MAX);
    let mut running = FuturesUnordered::new();
    let (mut begun, mut goes_on) = (0, true);
    loop {
        while running.len() < limit && (goes_on || begun < at_least) {
            let Some(call) = calls.next() else { break };
            running.push(call);
            begun += 1;
        }
        match running.next().await {
            Some(is_well) => goes_on &= is_well,
            None => return,
        }
    }
}

/// Polls all members until each of them has ended. There are at most 16, so all are polled whenever one can go on.
async fn all(members: &mut [GroupMember<'_>]) {
    let mut ended = 0_u64;
    poll_fn(|cx| {
        let mut is_pending = false;
        for (index, member) in members.iter_mut().enumerate() {
            if ended & (1 << index) != 0 {
                continue;
            }
            match member.as_mut().poll(cx) {
                Poll::Ready(()) => ended |= 1 << index,
                Poll::Pending => is_pending = true,
            }
        }
        if is_pending {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
}

/// The end of a wait.
#[derive(Debug)]
#[must_use]
pub enum WaitEnd<X> {
    /// The time is over.
    TimedOut,
    /// An event has come.
    Received {
        /// Its place in [`Wait::events`].
        event: usize,
        /// Its value as JSON.
        json: String,
    },
    /// The saga ends here for this cause.
    Stopped(Cause<Infallible>),
    /// The engine suspends the saga.
    Suspended(X),
}
