//! The border between the pursuit of a step and the engine that makes its attempts.

use std::borrow::Cow;
use std::pin::Pin;
use std::time::Duration;

use crate::attempts::{CompensationOrigin, PendingStep, Verdict};
use crate::error::{Interruption, Reason};
use crate::meta::{AttemptPhase, RetryDefaults, StepMeta};
use crate::place::{Attempt, Position};

/// A boxed future, type-erased.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The longest that an attempt may take where the step says nothing, on an engine that limits every attempt.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_mins(1);

/// The engine's side of the pursuit of a step: it makes or reads attempts, waits, and records that a step is in doubt.
/// `X` is the reason for which it can suspend the saga; every function that waits may suspend it.
pub trait Surroundings<X>: Sync {
    /// The longest that an attempt may take. `own` is the limit of the step or the compensation itself.
    fn limit(&self, own: Option<Duration>) -> Option<Duration>;

    /// The retry policies where the step says nothing.
    fn retry_defaults(&self) -> RetryDefaults {
        RetryDefaults::IN_PROCESS
    }

    /// The step with the policies that hold for it: its own, the settings of the engine, the defaults of the saga.
    fn policies(&self, step: &'static StepMeta) -> Cow<'static, StepMeta> {
        Cow::Borrowed(step)
    }

    /// A retriable step has used up its policy. Returns the reason to suspend the saga, or `None` to attempt it further.
    fn exhausted(&self, attempts: u32, last: LastError<'_>) -> Option<X> {
        let _ = (attempts, last);
        None
    }

    /// Makes one attempt of the step, or reads its record and hands that to the step.
    fn ask<'b>(
        &'b self,
        step: &'b mut dyn PendingStep,
        attempt: Attempt<'b>,
        phase: Purpose,
    ) -> BoxFuture<'b, Result<AttemptReport, X>> {
        let _ = phase;
        let limit = self.limit(self.policies(step.meta()).timeout);
        Box::pin(async move { Ok(AttemptReport::from(step.attempt(&attempt, limit).await)) })
    }

    /// Makes one attempt of a compensation or a resolver by polling `compensator`, or reads its record.
    fn compensate<'b>(
        &'b self,
        attempt: Attempt<'b>,
        compensator: BoxFuture<'b, Result<(), String>>,
    ) -> BoxFuture<'b, Result<(), String>> {
        let _ = attempt;
        compensator
    }

    /// Waits before another attempt forward, or until the saga is interrupted. `last`: the error of the attempt before.
    fn wait<'b>(
        &'b self,
        backoff: Backoff,
        last: LastError<'b>,
    ) -> BoxFuture<'b, Result<Option<Interruption>, X>>;

    /// Waits before another attempt to settle or to compensate. Nothing interrupts this wait. `last`: the error of the
    /// attempt before.
    fn pause<'b>(&'b self, backoff: Backoff, last: LastError<'b>) -> BoxFuture<'b, Result<(), X>>;

    /// The point from which the resolver is attempted.
    fn resolver_origin(&self) -> CompensationOrigin {
        CompensationOrigin::Start
    }

    /// Makes final that the step does not go forward any more, for the reason that it has now. It is settled next.
    fn begin_settling<'a>(
        &'a self,
        position: Position<'a>,
        attempts: u32,
        step: &'a mut dyn PendingStep,
    ) -> BoxFuture<'a, Result<(), X>>;
}

/// A wait between two attempts, and what was tried before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backoff {
    /// The time until the next attempt.
    pub delay: Duration,
    /// The phase of the attempts.
    pub phase: AttemptPhase,
    /// The number of attempts so far.
    pub attempts: u32,
    /// How many of them came before this phase.
    pub earlier: u32,
    /// True if one of them may have had an effect.
    pub may_have_acted: bool,
}

/// The error of the attempt before a wait.
pub enum LastError<'b> {
    /// The step has it.
    Step(&'b mut dyn PendingStep),
    /// The text of the error of a compensation or a resolver.
    Compensation(&'b str),
}

impl LastError<'_> {
    /// The error in its recorded form.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Step(step) => step.reason(),
            Self::Compensation(message) => Reason::new("error", *message),
        }
    }
}

impl std::fmt::Debug for LastError<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LastError").finish_non_exhaustive()
    }
}

/// The purpose of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To go forward. It can be interrupted.
    Forward,
    /// To find out what an earlier one has done. Nothing interrupts it.
    Settling,
}

/// The report of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptReport {
    /// Its end.
    pub outcome: AttemptOutcome,
    /// True if an earlier process may have made it, and that answer is lost.
    pub is_repeated: bool,
}

/// The end of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// With this answer.
    Verdict(Verdict),
    /// The saga is interrupted: it was not made, or its answer is lost.
    Interrupted(Interruption),
}

impl From<Verdict> for AttemptReport {
    fn from(answer: Verdict) -> Self {
        Self {
            outcome: AttemptOutcome::Verdict(answer),
            is_repeated: false,
        }
    }
}
