//! A step from its first attempt to a settled outcome: retries, waits, and what is in doubt.
//!
//! The generic part is thin; the loop works on a trait object, so that it is compiled once and not once per step.

use std::pin::Pin;

use crate::attempt::{Attempted, attempt_step, attempt_undo};
use crate::compensation::{CompensationFailure, Undoing, undo};
use crate::context::Context;
use crate::control::{Control, Interruption};
use crate::decision::{Answer, Next, Settling, after_attempt, settling};
use crate::engine::{Settlement, StepEnd, Stopped, Why};
use crate::place::{Attempt, Position, Role};
use crate::step::{Kind, Step, StepMeta};
use crate::telemetry;

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Pursues the step `S`, whose first attempt ended as `first`, until its outcome is settled.
pub(crate) async fn pursue<S: Step, X>(
    control: &Control,
    position: Position<'_>,
    services: &S::Services,
    args: S::Args<'_>,
    first: Attempted<S::Output, S::Error>,
) -> StepEnd<S::Output, S::Error, X> {
    let mut step = Pursued::<S> {
        services,
        args,
        output: None,
        why: None,
    };
    let first = step.note(first);
    let end = settle(&mut step, first, position, control).await;
    step.end(end)
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

async fn settle(
    step: &mut dyn Attempts,
    first: Answer,
    position: Position<'_>,
    control: &Control,
) -> End {
    let meta = step.meta();
    let mut answer = first;
    let mut attempt = 1;
    let mut may_have_acted = false;
    let mut waits = meta.forward_retry().backoffs().peekable();
    let (next, interruption) = loop {
        may_have_acted |= matches!(answer, Answer::InDoubt { .. });
        match after_attempt(meta.kind, answer, waits.peek().is_some()) {
            Next::Proceed => return End::Done,
            Next::Again => {
                // A retriable step is reached only when the saga goes forward for good, so nothing interrupts it.
                if let Some(wait) = waits.next()
                    && let Some(interruption) = control.wait(wait).await
                {
                    // There is no other attempt, so the last answer stands.
                    break (after_attempt(meta.kind, answer, false), Some(interruption));
                }
                attempt += 1;
                answer = step
                    .attempt(Attempt::new(position, Role::Action, attempt))
                    .await;
            }
            next => break (next, None),
        }
    };
    let settling = if may_have_acted {
        settling(meta.kind, meta.resolver.is_some(), next)
    } else {
        Settling::Leave
    };
    match settling {
        Settling::Leave if next == Next::Refuse && interruption.is_none() => End::Refused,
        Settling::Leave => End::Stopped {
            interruption,
            settled: Settled::Nothing,
        },
        Settling::Resolve => {
            telemetry::in_doubt(position);
            let settled = match undo(step.resolver(), position, meta.compensation_retry, None).await
            {
                Ok(()) => Settled::Resolved,
                Err(failure) => Settled::Unresolved(failure),
            };
            End::Stopped {
                interruption,
                settled,
            }
        }
        Settling::AskAgain => {
            telemetry::in_doubt(position);
            ask_again(step, attempt, position, interruption).await
        }
    }
}

/// Attempts the step again, whatever the saga's cancellation or deadline, until the answer is definite.
async fn ask_again(
    step: &mut dyn Attempts,
    mut attempt: u32,
    position: Position<'_>,
    interruption: Option<Interruption>,
) -> End {
    let meta = step.meta();
    let mut waits = meta.settling_retry().backoffs();
    loop {
        attempt += 1;
        match step
            .attempt(Attempt::new(position, Role::Action, attempt))
            .await
        {
            // It can't be undone, so the saga goes on from here.
            Answer::Done if meta.kind == Kind::Pivot => return End::Done,
            Answer::Done => {
                return End::Stopped {
                    interruption,
                    settled: Settled::Done,
                };
            }
            Answer::Refused { .. } => {
                return End::Stopped {
                    interruption,
                    settled: Settled::Nothing,
                };
            }
            Answer::InDoubt { .. } => {
                let Some(wait) = waits.next() else {
                    telemetry::compensation_failed(position, attempt);
                    let failure = CompensationFailure::new(attempt, step.reason());
                    return End::Stopped {
                        interruption,
                        settled: Settled::Unresolved(failure),
                    };
                };
                tokio::time::sleep(wait).await;
            }
        }
    }
}

/// A step whose attempts can be made without knowing its types.
trait Attempts: Send {
    fn meta(&self) -> &'static StepMeta;

    fn attempt<'b>(&'b mut self, attempt: Attempt<'b>) -> BoxFuture<'b, Answer>;

    fn resolver(&mut self) -> &mut dyn Undoing;

    /// The text of why the last attempt did not succeed.
    fn reason(&self) -> String;
}

struct Pursued<'a, 'args, S: Step> {
    services: &'a S::Services,
    args: S::Args<'args>,
    output: Option<S::Output>,
    why: Option<Why<S::Error>>,
}

impl<S: Step> Pursued<'_, '_, S> {
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

impl<S: Step> Attempts for Pursued<'_, '_, S> {
    fn meta(&self) -> &'static StepMeta {
        &const { S::META }
    }

    fn attempt<'b>(&'b mut self, attempt: Attempt<'b>) -> BoxFuture<'b, Answer> {
        Box::pin(async move {
            let ended = attempt_step::<S>(self.services, &attempt, self.args.clone()).await;
            self.note(ended)
        })
    }

    fn resolver(&mut self) -> &mut dyn Undoing {
        self
    }

    fn reason(&self) -> String {
        match &self.why {
            Some(Why::Error(error)) => error.to_string(),
            Some(Why::TimedOut { after }) => format!("no answer within {after:?}"),
            Some(Why::Panicked { message }) => format!("panicked: {message}"),
            Some(Why::Interrupted(interruption)) => interruption.to_string(),
            None => String::new(),
        }
    }
}

impl<S: Step> Undoing for Pursued<'_, '_, S> {
    fn attempt<'b>(&'b mut self, attempt: Attempt<'b>) -> BoxFuture<'b, Result<(), String>> {
        Box::pin(async move {
            let cx = Context::new(self.services, &attempt);
            let args = self.args.clone();
            let resolve = async { S::resolve(cx, args).await };
            attempt_undo(&attempt, resolve, S::META.compensation_timeout).await
        })
    }
}
