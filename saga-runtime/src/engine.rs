//! The seam between what a saga is and how it runs: the generated coordinator calls an engine for every effect.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt::{self, Display};
use std::future::{poll_fn, ready};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::attempt::Attempted;
use crate::compensation::{Compensate, CompensationFailure};
use crate::control::Interruption;
use crate::decision::Answer;
use crate::error::{Cause, Compensation, CompensationOutcome};
use crate::journal::Reason;
use crate::lane::Group;
use crate::place::{Calls, Instance, Position};
use crate::request::Requested;
use crate::saga::{Saga, SagaEnd};
use crate::step::StepMeta;
use crate::wait::{Wait, WaitEnd};

/// Runs the effects of one saga: its steps and compensations.
///
/// The coordinator that [`saga!`](crate::saga) generates calls [`step`](Self::step) for one step after the other, and
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
    /// [`Done`](Attempted::Done): nobody watches the saga, and nothing can interrupt it.
    #[inline]
    fn trusts_first_attempts(&self) -> bool {
        false
    }

    /// Runs a step, which is called after `calls`, until its outcome is settled: attempts, timeouts, retries, and what is in
    /// doubt. Goes on after the `first` attempt, if that was made.
    fn step<'a>(
        &'a self,
        calls: &'a dyn Calls,
        step: &'a mut dyn Requested,
        first: Option<Answer>,
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
    fn begin_compensation(&self, step: Option<&str>, cause: &Failing<'_>) {
        let _ = (step, cause);
    }

    /// Compensates a step until that succeeds or has failed for good. Goes on after the `first` attempt, if that was made.
    fn compensate<'a>(
        &'a self,
        position: Position<'a>,
        step: &'a dyn Compensate,
        first: Option<Attempted<(), String>>,
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

/// Why a saga is undone.
pub struct Failing<'a> {
    /// What kind of reason, in a word: `error`, `timed_out`, `panicked`, `cancelled`, …
    pub code: &'static str,
    /// The text of it.
    pub message: &'a dyn Display,
}

impl fmt::Debug for Failing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failing")
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}

/// How the error of a step that refuses is written down, so that a replay can give it to the body again.
pub enum ErrorRecord<E> {
    /// As text: the refusal ends the saga, and the body is not asked again.
    Text,
    /// Whole, because the body handles it.
    Whole {
        /// Writes it as JSON.
        write: fn(&E) -> serde_json::Result<String>,
        /// Reads it again.
        read: fn(&str) -> serde_json::Result<E>,
    },
}

impl<E> ErrorRecord<E> {
    /// The error as JSON, if it is written down whole.
    pub(crate) fn write(self, error: &E) -> Option<serde_json::Result<String>> {
        match self {
            Self::Text => None,
            Self::Whole { write, .. } => Some(write(error)),
        }
    }

    /// The error that was written down whole.
    pub(crate) fn read(self, text: &str) -> Option<serde_json::Result<E>> {
        match self {
            Self::Text => None,
            Self::Whole { read, .. } => Some(read(text)),
        }
    }
}

impl<E> Clone for ErrorRecord<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for ErrorRecord<E> {}

impl<E> fmt::Debug for ErrorRecord<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "Text",
            Self::Whole { .. } => "Whole",
        })
    }
}

/// How a step ended for good. Its output, or the reason for which it is given up, is in the [`Requested`].
#[derive(Debug)]
#[must_use]
pub enum StepEnd<X> {
    /// It is done.
    Done,
    /// It refused, and nothing has happened.
    Refused,
    /// It did not get a definite answer in time, or was stopped from outside.
    Stopped(Settlement),
    /// The engine lets go of the saga.
    Suspended(X),
}

/// Why a step was given up.
#[derive(Debug)]
pub enum Why<E> {
    /// An error, after which it was open if something had happened.
    Error(E),
    /// No answer in time.
    TimedOut {
        /// The limit.
        after: Duration,
    },
    /// A panic.
    Panicked {
        /// Its text.
        message: String,
    },
    /// The saga was stopped from outside.
    Interrupted(Interruption),
    /// It was given up before the process was started, and this is what is written down about it.
    Recorded {
        /// What kind of reason, in a word.
        code: String,
        /// Its text.
        message: String,
    },
    /// It is done, but its output can't be written down.
    Unrecordable {
        /// What is wrong with the output.
        message: String,
    },
}

impl<E: Display> Why<E> {
    /// The same as it is written down.
    pub(crate) fn reason(&self, errors: ErrorRecord<E>) -> Reason {
        match self {
            Self::Error(error) => Reason {
                error: errors.write(error).and_then(Result::ok),
                ..Reason::new("error", error.to_string())
            },
            Self::TimedOut { after } => {
                Reason::new("timed_out", format!("no answer within {after:?}"))
            }
            Self::Panicked { message } => Reason::new("panicked", format!("panicked: {message}")),
            Self::Interrupted(interruption) => {
                Reason::new(interruption.code(), interruption.to_string())
            }
            Self::Recorded { code, message } => Reason::new(code.clone(), message),
            Self::Unrecordable { message } => Reason::new("unrecordable", message),
        }
    }
}

impl Why<Infallible> {
    /// The same reason of a step with errors.
    pub(crate) fn widen<E>(self) -> Why<E> {
        match self {
            Self::Error(never) => match never {},
            Self::TimedOut { after } => Why::TimedOut { after },
            Self::Panicked { message } => Why::Panicked { message },
            Self::Interrupted(interruption) => Why::Interrupted(interruption),
            Self::Recorded { code, message } => Why::Recorded { code, message },
            Self::Unrecordable { message } => Why::Unrecordable { message },
        }
    }
}

impl<E> Why<E> {
    /// The step's error, or the cause that ends the saga.
    pub(crate) fn into_stop(self) -> Result<E, Cause<Infallible>> {
        match self {
            Self::Error(error) => Ok(error),
            Self::TimedOut { after } => Err(Cause::TimedOut { after }),
            Self::Panicked { message } => Err(Cause::Panicked { message }),
            Self::Interrupted(interruption) => Err(interruption.into()),
            Self::Recorded { code, message } => Err(Cause::recorded(&code, message)),
            Self::Unrecordable { message } => Err(Cause::Unrecordable { message }),
        }
    }
}

impl Settlement {
    /// What to report of a step that was settled on the spot.
    pub(crate) fn into_compensation(self, step: Cow<'static, str>) -> Option<Compensation> {
        let outcome = match self {
            Self::Nothing | Self::Done => return None,
            Self::Resolved => CompensationOutcome::Resolved,
            Self::Unresolved(failure) => CompensationOutcome::Failed(failure),
            Self::Skipped { reason } => CompensationOutcome::Skipped { reason },
        };
        Some(Compensation { step, outcome })
    }
}

/// What has become of the effect of a step that was given up.
#[derive(Debug)]
pub enum Settlement {
    /// There is none, or none that needs undoing.
    Nothing,
    /// It has happened: the step gave its output, perhaps when it was asked again, and is compensated like any other.
    Done,
    /// The step's resolver has undone whatever there was.
    Resolved,
    /// It could not be found out, or not be undone.
    Unresolved(CompensationFailure),
    /// An operator has decided that it stays as it is.
    Skipped {
        /// Why.
        reason: String,
    },
}
