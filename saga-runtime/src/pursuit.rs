//! A step from its first attempt to a settled outcome: retries, waits, and what is in doubt.
//!
//! The generic part is thin; the loop works on a trait object, so that it is compiled once and not once per step.

use std::pin::Pin;
use std::time::Duration;

use crate::asking::{Asked, Asking, Outcome, Phase};
use crate::attempt::{Attempted, attempt_undo};
use crate::compensation::{CompensationFailure, Undoing, undo};
use crate::context::Context;
use crate::control::Interruption;
use crate::decision::{Answer, Next, Settling, after_attempt, settling};
use crate::engine::{ErrorRecord, Settlement, StepEnd, Stopped, Why};
use crate::journal::Reason;
use crate::place::{Attempt, Position, Role};
use crate::step::{Kind, Step, StepMeta};
use crate::telemetry;

/// A future whose type nobody has to know.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What an engine adds to the pursuit of a step: how long it waits, and what it writes down before a step in doubt is
/// settled. `X` is why it can let go of the saga.
pub trait Surroundings<X>: Sync {
    /// The longest that an attempt may take, of a step or a compensation that says `own`.
    fn limit(&self, own: Option<Duration>) -> Option<Duration>;

    /// Waits for `delay` before another attempt forward, or until the saga is interrupted.
    fn wait(&self, delay: Duration) -> BoxFuture<'_, Result<Option<Interruption>, X>>;

    /// Waits for `delay` before another attempt to settle or to undo, which nothing interrupts.
    fn pause(&self, delay: Duration) -> BoxFuture<'_, Result<(), X>>;

    /// Makes final that the step does not go forward any more: it is settled next.
    fn begin_settling<'a>(
        &'a self,
        position: Position<'a>,
        attempts: u32,
        reason: Reason,
    ) -> BoxFuture<'a, Result<(), X>>;
}

/// Where the pursuit of a step begins.
#[derive(Debug)]
pub enum Begin<T, E> {
    /// Nothing is known about it: what is asked for its attempts knows more.
    Request,
    /// Its first attempt has ended like this.
    After(Attempted<T, E>),
    /// An earlier process may have requested it, and the answer is lost.
    InDoubt,
    /// The same, and the saga is interrupted before it can be requested again.
    Interrupted(Interruption),
    /// It was given up for this reason, which is written down, and is only to be settled.
    Settling(Why<E>),
}

/// What a pursuit works on.
pub struct Pursuit<'a, S: Step> {
    /// The call of the step.
    pub position: Position<'a>,
    /// What it needs.
    pub services: &'a S::Services,
    /// How its refusal is written down.
    pub errors: ErrorRecord<S::Error>,
}

impl<S: Step> std::fmt::Debug for Pursuit<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pursuit")
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl<S: Step> Pursuit<'_, S> {
    /// Pursues the step until its outcome is settled; says how often it was attempted as well. `asking` makes its attempts.
    pub async fn run<X: Send>(
        self,
        asking: &impl Asking<Suspension = X>,
        around: &dyn Surroundings<X>,
        args: S::Args<'_>,
        begin: Begin<S::Output, S::Error>,
    ) -> (StepEnd<S::Output, S::Error, X>, u32) {
        let mut step = Pursued::<S, _> {
            asking,
            services: self.services,
            args,
            errors: self.errors,
            limit: around.limit(S::META.timeout),
            undo_limit: around.limit(S::META.compensation_timeout),
            output: None,
            why: None,
        };
        let from = match begin {
            Begin::After(first) => From::After(step.note(first)),
            Begin::Request => From::Request,
            Begin::InDoubt => From::InDoubt,
            Begin::Interrupted(interruption) => {
                step.why = Some(Why::Interrupted(interruption));
                From::Interrupted(interruption)
            }
            Begin::Settling(why) => {
                step.why = Some(why);
                From::Settling
            }
        };
        let mut attempts = u32::from(matches!(from, From::After(_)));
        let end = settle(&mut step, from, &mut attempts, self.position, around).await;
        let end = match end {
            Ok(end) => step.end(end),
            Err(suspension) => StepEnd::Suspended(suspension),
        };
        (end, attempts)
    }
}

/// [`Begin`], without the values.
enum From {
    Request,
    After(Answer),
    InDoubt,
    Interrupted(Interruption),
    Settling,
}

/// How a pursuit ended; the values are in [`Pursued`].
enum End {
    Done,
    Refused,
    Stopped {
        interruption: Option<Interruption>,
        settled: Settled,
    },
}

/// What has become of the effect of a step that was given up; see [`Settlement`].
enum Settled {
    Nothing,
    Done,
    Resolved,
    Unresolved(CompensationFailure),
}

async fn settle<X: Send>(
    step: &mut dyn Attempts<X>,
    from: From,
    attempts: &mut u32,
    position: Position<'_>,
    around: &dyn Surroundings<X>,
) -> Result<End, X> {
    let meta = step.meta();
    // A step that an earlier process may have requested is not known to have refused the first time.
    let mut may_have_acted = !matches!(from, From::Request | From::After(_));
    let is_decided = matches!(from, From::Settling);
    let (next, interruption) = match from {
        From::Settling => (Next::Settle, None),
        From::Interrupted(interruption) => (Next::Settle, Some(interruption)),
        From::Request | From::InDoubt | From::After(_) => {
            let mut last = None;
            let mut heard = match from {
                From::After(answer) => Heard::from(answer),
                _ => step.again(position, attempts, Phase::Forward).await?,
            };
            let mut waits = meta.forward_retry().backoffs().peekable();
            loop {
                may_have_acted |= heard.is_repeated;
                let answer = match heard.said {
                    Said::Answer(answer) => answer,
                    // Nothing is heard of an attempt that may have been made.
                    Said::Interrupted(interruption) if heard.is_repeated => {
                        break (Next::Settle, Some(interruption));
                    }
                    // It was not made, so the last answer stands.
                    Said::Interrupted(interruption) => {
                        let next =
                            last.map_or(Next::Refuse, |last| after_attempt(meta.kind, last, false));
                        break (next, Some(interruption));
                    }
                };
                last = Some(answer);
                may_have_acted |= matches!(answer, Answer::InDoubt { .. });
                match after_attempt(meta.kind, answer, waits.peek().is_some()) {
                    Next::Proceed => return Ok(End::Done),
                    Next::Again => {
                        // A retriable step is reached only when the saga goes forward for good, so nothing
                        // interrupts it.
                        if let Some(wait) = waits.next()
                            && let Some(interruption) = around.wait(wait).await?
                        {
                            // There is no other attempt, so the last answer stands.
                            break (after_attempt(meta.kind, answer, false), Some(interruption));
                        }
                        heard = step.again(position, attempts, Phase::Forward).await?;
                    }
                    next => break (next, None),
                }
            }
        }
    };
    let settling = if may_have_acted {
        settling(meta.kind, meta.resolver.is_some(), next)
    } else {
        Settling::Leave
    };
    if settling != Settling::Leave {
        telemetry::in_doubt(position);
        // A pivot in doubt is only asked again, and goes forward if it was done: nothing is decided yet.
        if !is_decided && meta.kind != Kind::Pivot {
            let reason = step.reason(interruption);
            around.begin_settling(position, *attempts, reason).await?;
        }
    }
    let settled = match settling {
        Settling::Leave if next == Next::Refuse && interruption.is_none() => {
            return Ok(End::Refused);
        }
        Settling::Leave => Settled::Nothing,
        Settling::Resolve => {
            let retry = meta.compensation_retry;
            match undo(step.resolver(), position, retry, None, around)
                .await?
                .1
            {
                Ok(()) => Settled::Resolved,
                Err(failure) => Settled::Unresolved(failure),
            }
        }
        Settling::AskAgain => match ask_again(step, attempts, position, around).await? {
            // It can't be undone, so the saga goes on from here.
            Settled::Done if meta.kind == Kind::Pivot => return Ok(End::Done),
            settled => settled,
        },
    };
    Ok(End::Stopped {
        interruption,
        settled,
    })
}

/// Attempts the step again, whatever the saga's cancellation or deadline, until the answer is definite.
async fn ask_again<X: Send>(
    step: &mut dyn Attempts<X>,
    attempts: &mut u32,
    position: Position<'_>,
    around: &dyn Surroundings<X>,
) -> Result<Settled, X> {
    let mut waits = step.meta().settling_retry().backoffs();
    loop {
        let heard = step.again(position, attempts, Phase::Settling).await?;
        match heard.said {
            Said::Answer(Answer::Done) => return Ok(Settled::Done),
            Said::Answer(Answer::Refused { .. }) => return Ok(Settled::Nothing),
            // Nothing interrupts this: whoever says so has no answer.
            Said::Answer(Answer::InDoubt { .. }) | Said::Interrupted(_) => {
                let Some(wait) = waits.next() else {
                    telemetry::compensation_failed(position, *attempts);
                    let message = step.reason(None).message;
                    let failure = CompensationFailure::new(*attempts, message);
                    return Ok(Settled::Unresolved(failure));
                };
                around.pause(wait).await?;
            }
        }
    }
}

/// What is heard of an attempt.
struct Heard {
    said: Said,
    /// Whether it may have been made before, and that answer is lost.
    is_repeated: bool,
}

impl std::convert::From<Answer> for Heard {
    fn from(answer: Answer) -> Self {
        Self {
            said: Said::Answer(answer),
            is_repeated: false,
        }
    }
}

/// [`Outcome`], without the values.
enum Said {
    Answer(Answer),
    Interrupted(Interruption),
}

/// A step whose attempts can be made without knowing its types.
trait Attempts<X>: Send {
    fn meta(&self) -> &'static StepMeta;

    fn attempt<'b>(
        &'b mut self,
        attempt: Attempt<'b>,
        phase: Phase,
    ) -> BoxFuture<'b, Result<Heard, X>>;

    fn resolver(&mut self) -> &mut dyn Undoing;

    /// Why the step is given up: because the saga was interrupted, or because its last attempt did not succeed.
    fn reason(&self, interruption: Option<Interruption>) -> Reason;
}

impl<X> dyn Attempts<X> + '_ {
    /// The next attempt.
    async fn again(
        &mut self,
        position: Position<'_>,
        attempts: &mut u32,
        phase: Phase,
    ) -> Result<Heard, X> {
        *attempts += 1;
        self.attempt(Attempt::new(position, Role::Action, *attempts), phase)
            .await
    }
}

struct Pursued<'a, 'args, S: Step, A> {
    asking: &'a A,
    services: &'a S::Services,
    args: S::Args<'args>,
    errors: ErrorRecord<S::Error>,
    limit: Option<Duration>,
    undo_limit: Option<Duration>,
    output: Option<S::Output>,
    why: Option<Why<S::Error>>,
}

impl<S: Step, A> Pursued<'_, '_, S, A> {
    /// Keeps the value of an attempt that somebody was asked for, and says what it means.
    fn hear(&mut self, asked: Asked<S::Output, S::Error>) -> Heard {
        let said = match asked.outcome {
            Outcome::Attempted(ended) => Said::Answer(self.note(ended)),
            Outcome::Recorded { answer, why } => {
                self.why = Some(why);
                Said::Answer(answer)
            }
            Outcome::Interrupted(interruption) => Said::Interrupted(interruption),
        };
        Heard {
            said,
            is_repeated: asked.is_repeated,
        }
    }

    /// Keeps the value of an attempt, and says what it means. The last reason to give up is the one that counts.
    fn note(&mut self, ended: Attempted<S::Output, S::Error>) -> Answer {
        let (answer, why) = match ended {
            Attempted::Done(output) => {
                self.output = Some(output);
                return Answer::Done;
            }
            Attempted::Refused(error) => (Answer::of_error::<S>(&error), Why::Error(error)),
            Attempted::TimedOut { after } => {
                (Answer::InDoubt { transient: true }, Why::TimedOut { after })
            }
            Attempted::Panicked { message } => (
                Answer::InDoubt { transient: true },
                Why::Panicked { message },
            ),
        };
        self.why = Some(why);
        answer
    }

    fn end<X>(self, end: End) -> StepEnd<S::Output, S::Error, X> {
        let settlement = match end {
            End::Done => return StepEnd::Done(self.output.expect(OUTPUT)),
            End::Refused => match self.why.expect(WHY) {
                Why::Error(error) => return StepEnd::Refused(error),
                why => {
                    return StepEnd::Stopped(Box::new(Stopped {
                        why,
                        settlement: Settlement::Nothing,
                    }));
                }
            },
            End::Stopped {
                interruption,
                settled,
            } => {
                let settlement = match settled {
                    Settled::Nothing => Settlement::Nothing,
                    Settled::Done => Settlement::Done(self.output.expect(OUTPUT)),
                    Settled::Resolved => Settlement::Resolved,
                    Settled::Unresolved(failure) => Settlement::Unresolved(failure),
                };
                let why = interruption.map_or_else(|| self.why.expect(WHY), Why::Interrupted);
                Stopped { why, settlement }
            }
        };
        StepEnd::Stopped(Box::new(settlement))
    }
}

const OUTPUT: &str = "`note` keeps the output of an attempt that it answers with `Done`";
const WHY: &str = "`note` keeps the reason of an attempt that it does not answer with `Done`";

impl<S: Step, A: Asking> Attempts<A::Suspension> for Pursued<'_, '_, S, A> {
    fn meta(&self) -> &'static StepMeta {
        &const { S::META }
    }

    fn attempt<'b>(
        &'b mut self,
        attempt: Attempt<'b>,
        phase: Phase,
    ) -> BoxFuture<'b, Result<Heard, A::Suspension>> {
        Box::pin(async move {
            let args = self.args.clone();
            let (services, limit, errors) = (self.services, self.limit, self.errors);
            let asked = self
                .asking
                .ask::<S>(attempt, phase, services, args, limit, errors)
                .await?;
            Ok(self.hear(asked))
        })
    }

    fn resolver(&mut self) -> &mut dyn Undoing {
        self
    }

    fn reason(&self, interruption: Option<Interruption>) -> Reason {
        let interrupted = interruption.map(Why::Interrupted);
        match interrupted.as_ref().or(self.why.as_ref()) {
            Some(why) => why.reason(self.errors),
            None => Reason::new("in_doubt", "an earlier process was cut off"),
        }
    }
}

impl<S: Step, A: Asking> Undoing for Pursued<'_, '_, S, A> {
    fn attempt<'b>(&'b mut self, attempt: Attempt<'b>) -> BoxFuture<'b, Result<(), String>> {
        let (services, limit) = (self.services, self.undo_limit);
        let args = self.args.clone();
        let resolving = async move {
            let cx = Context::new(services, &attempt);
            let resolve = async { S::resolve(cx, args).await };
            attempt_undo(&attempt, resolve, limit).await
        };
        self.asking.undo(attempt, Box::pin(resolving))
    }
}
