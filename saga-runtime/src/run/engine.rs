//! The seam between what a saga is and how it runs: the generated coordinator calls an engine for every effect.

use std::convert::Infallible;
use std::future::{poll_fn, ready};
use std::pin::Pin;
use std::task::Poll;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::attempts::{AttemptResult, Compensate, FailureCause, PendingStep, StepEnd, Verdict};
use crate::error::{Cause, CompensationOutcome};
use crate::language::Wait;
use crate::meta::StepMeta;
use crate::place::{Calls, Group, Instance, Position};
use crate::run::{Saga, SagaEnd};

/// Runs the effects of one saga: its steps and compensations.
///
/// The coordinator that [`saga!`](crate::saga!) generates calls [`step`](Self::step) for one step after the other, and
/// keeps what it leaves behind. If the saga fails, it calls
/// [`begin_compensation`](Self::begin_compensation) once, then [`compensate`](Self::compensate) for each step that
/// was done, last first, or all of them at once if the saga says `compensations = parallel`.
///
/// ```text
/// coordinator ──▶ step a ─▶ step b ─▶ step c: refused
///                                        │
///                   begin_compensation ◀─┘
///                   compensate b ─▶ compensate a
/// ```
///
/// # What an engine promises
/// * An outcome that [`step`](Self::step) has returned is settled. An engine that writes a journal has it durable before
///   it requests anything else.
/// * A step is asked again only with equal arguments and the same idempotency key.
/// * A panic in a step or a compensation is an outcome like any other and doesn't leave the engine.
/// * Compensations are not subject to the saga's cancellation or deadline.
pub trait Engine: Send + Sync {
    /// Why the engine can let go of a saga that is neither finished nor failed, for example because another process
    /// has taken it over. [`Infallible`](std::convert::Infallible) if it never does.
    type Suspension: Send + Sync;

    /// What driving the saga `G` on this engine gives.
    type End<G: Saga>;

    /// The saga that this engine runs.
    fn instance(&self) -> &Instance;

    /// Hands out how the saga ended.
    fn end<G: Saga>(&self, end: SagaEnd<G, Self::Suspension>) -> Self::End<G>;

    /// Whether the coordinator may make the first attempt of a step by itself and hand in its outcome only if it is not
    /// [`Done`](crate::engine::AttemptResult::Done): nobody watches the saga, and nothing can interrupt it.
    #[inline]
    fn trusts_first_attempts(&self) -> bool {
        false
    }

    /// Runs a step, which is called after `calls`, until its outcome is settled: attempts, timeouts, retries, and what is in
    /// doubt. Goes on after the `first` attempt, if that was made.
    fn step<'a>(
        &'a self,
        calls: &'a dyn Calls,
        step: &'a mut dyn PendingStep,
        first: Option<Verdict>,
    ) -> impl Future<Output = StepEnd<Self::Suspension>> + Send;

    /// Waits until a time has passed or an event has come, whichever is first: the call of `part` after `calls`. Nothing
    /// is under way meanwhile, unless other members of a group are.
    fn wait<'a>(
        &'a self,
        calls: &'a dyn Calls,
        part: &'static StepMeta,
        wait: Wait,
    ) -> impl Future<Output = WaitEnd<Self::Suspension>> + Send;

    /// The members of `group` are about to be called.
    ///
    /// # Errors
    /// Why the engine lets go of the saga instead.
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

    /// Polls the calls of a fan-out, at most `limit` at the same time, until all that were begun have ended. Each of them
    /// calls [`step`](Self::step), once or one after the other, and says whether another one is to be begun after it. The
    /// first `at_least` are begun in any case.
    fn join_all<'a>(
        &'a self,
        limit: Option<usize>,
        at_least: usize,
        calls: &'a mut (dyn Iterator<Item = FanOutCall<'a>> + Send),
    ) -> impl Future<Output = ()> + Send {
        let _ = self;
        window(limit, at_least, calls)
    }

    /// A member of a group has ended: what has become of it does not wait for the others to become durable.
    fn member_ended(&self) -> impl Future<Output = Result<(), Self::Suspension>> + Send {
        ready(Ok(()))
    }

    /// All members of `group` have ended, or the engine lets go of one of them.
    fn end_group(&self, group: &Group<'_>, is_suspended: bool) {
        let _ = (group, is_suspended);
    }

    /// Makes final that the saga is undone, because it failed at `step` (or in its own code) for this `cause`: no step is
    /// requested any more. Whatever is written down about it is durable before the first compensation is requested.
    fn begin_compensation(&self, step: Option<&str>, cause: &FailureCause<'_>) {
        let _ = (step, cause);
    }

    /// Compensates a step until that succeeds or has failed for good. Goes on after the `first` attempt, if that was made.
    fn compensate<'a>(
        &'a self,
        position: Position<'a>,
        step: &'a dyn Compensate,
        first: Option<AttemptResult<(), String>>,
    ) -> impl Future<Output = Result<CompensationOutcome, Self::Suspension>> + Send;
}

/// A member of a group while it runs.
pub type GroupMember<'a> = Pin<&'a mut (dyn Future<Output = ()> + Send)>;

/// A call of a fan-out while it runs. It gives whether another one is to be begun after it.
pub type FanOutCall<'a> = Pin<Box<dyn Future<Output = bool> + Send + 'a>>;

/// Each is polled only when it can go on, however many there are.
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

/// Polls all of these until each of them has ended. There are so few that it is no loss to poll all of them whenever one
/// of them can go on.
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

/// How a wait ended.
#[derive(Debug)]
#[must_use]
pub enum WaitEnd<X> {
    /// The time is over.
    TimedOut,
    /// The event has come, and this is what came with it, as JSON.
    Received(String),
    /// The saga ends here for this cause.
    Stopped(Cause<Infallible>),
    /// The engine lets go of the saga.
    Suspended(X),
}
