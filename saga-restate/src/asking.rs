//! The attempts of a step, each written down: what Restate has already is not requested again.

use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use restate_sdk::context::RunRetryPolicy;
use restate_sdk::errors::HandlerError;
use saga_runtime::engines::{
    Asked, Asking, BoxFuture, Outcome, Phase, Place, Reason, Surroundings, attempt_step, from_json,
};
use saga_runtime::{
    Attempt, Attempted, Doubt, ErrorRecord, Interruption, Kind, Position, Role, Step, Why,
};

use crate::engine::{ATTEMPT_TIMEOUT, LetGo, Restate, lock};
use crate::entry;
use crate::journal::{Work, Written};
use crate::record::{Ended, Record, Refused};

/// After so many attempts of a retriable step its entry is repeated by Restate.
const WRITTEN_ATTEMPTS: u32 = 10;

/// Who is asked for the attempts of one step.
pub(crate) struct Asker<'a> {
    engine: &'a Restate,
    doubt: &'a Doubt,
    /// Whether others may be under way meanwhile, which a repetition by Restate would cut off.
    is_beside_others: bool,
    unrecordable: Mutex<Option<String>>,
}

/// What this process knows of an attempt that it makes.
struct Kept<T, E> {
    has_begun: AtomicBool,
    attempted: Mutex<Option<Attempted<T, E>>>,
    written: Mutex<Option<Written>>,
}

impl<'a> Asker<'a> {
    pub(crate) fn new(engine: &'a Restate, doubt: &'a Doubt, is_beside_others: bool) -> Self {
        Self {
            engine,
            doubt,
            is_beside_others,
            unrecordable: Mutex::new(None),
        }
    }

    /// Why the output of the step can't be written down, if it is so.
    pub(crate) fn unrecordable(&self) -> Option<String> {
        lock(&self.unrecordable).take()
    }

    /// How Restate repeats the entry of this attempt, if it does.
    fn repeats<S: Step>(&self, number: u32) -> Option<RunRetryPolicy> {
        if S::META.kind != Kind::Retriable || self.is_beside_others || number <= WRITTEN_ATTEMPTS {
            return None;
        }
        let policy = S::META.forward_retry();
        Some(
            RunRetryPolicy::new()
                .initial_delay(policy.longest_wait())
                .max_delay(policy.longest_wait()),
        )
    }

    /// The record of an attempt: made now, or written down before.
    async fn written<T: Send, E: Send>(
        &self,
        name: &str,
        retry: Option<RunRetryPolicy>,
        kept: &Kept<T, E>,
        mut work: Work<'_>,
    ) -> Written {
        if let Ok(written) = self.engine.journal.run(name, retry, work.as_mut()).await {
            return written;
        }
        // Restate has dropped the answer. What this process knows of it is written down under another name.
        loop {
            self.engine.cancel();
            let answer = pin!(async {
                let known = lock(&kept.written).clone();
                match known {
                    Some(known) => Ok(known),
                    None if kept.has_begun.load(Ordering::Relaxed) => work.as_mut().await,
                    None if self.doubt.take() => Ok(Record::new(Ended::Lost(())).write()),
                    None => Ok(Record::new(Ended::NotMade(())).write()),
                }
            });
            let name = entry::answer(name);
            if let Ok(written) = self.engine.journal.run(&name, None, answer).await {
                return written;
            }
        }
    }

    /// The output of a step that is done, and can't be written down: where this process does not have it, the step is asked
    /// again.
    async fn output<S: Step>(
        &self,
        kept: &Kept<S::Output, S::Error>,
        again: impl Future<Output = Attempted<S::Output, S::Error>>,
        position: Position<'_>,
    ) -> Result<S::Output, LetGo> {
        let kept = lock(&kept.attempted).take();
        let attempted = match kept {
            Some(attempted) => attempted,
            None => again.await,
        };
        match attempted {
            Attempted::Done(output) => Ok(output),
            _ => Err(LetGo(format!(
                "step `{}` is done, but its output is neither written down nor given again",
                position.name()
            ))),
        }
    }
}

impl Asking for Asker<'_> {
    type Suspension = LetGo;

    async fn ask<'b, 'args: 'b, S: Step>(
        &'b self,
        attempt: Attempt<'b>,
        phase: Phase,
        services: &'b S::Services,
        args: S::Args<'args>,
        limit: Option<Duration>,
        errors: ErrorRecord<S::Error>,
    ) -> Result<Asked<S::Output, S::Error>, LetGo> {
        let Some(position) = attempt.position() else {
            return Err(LetGo("an attempt has a position".to_owned()));
        };
        let name = entry::attempt(position, Role::Action, attempt.attempt());
        let retry = self.repeats::<S>(attempt.attempt());
        loop {
            let kept = Kept {
                has_begun: AtomicBool::new(false),
                attempted: Mutex::new(None),
                written: Mutex::new(None),
            };
            let given = args.clone();
            let work = pin!(async {
                kept.has_begun.store(true, Ordering::Relaxed);
                let again = self.doubt.take();
                let is_open = again && S::META.kind == Kind::Retriable;
                let mut record = if phase == Phase::Forward && !is_open && self.engine.is_late() {
                    Record::new(Ended::DeadlineExceeded(()))
                } else {
                    let made = attempt_step::<S>(services, &attempt, given, limit).await;
                    let ended = Ended::of::<S>(&made, errors);
                    if let Some(error) = repeated(&ended, S::META.kind, retry.is_some(), position) {
                        return Err(error);
                    }
                    *lock(&kept.attempted) = Some(made);
                    Record {
                        late: self.engine.is_late(),
                        ..Record::new(ended)
                    }
                };
                record.again = again;
                let written = record.write();
                *lock(&kept.written) = Some(written.clone());
                Ok(written)
            });
            let written = self.written(&name, retry.clone(), &kept, work).await;
            let record: Record =
                serde_json::from_slice(&written).map_err(|unread| unreadable(position, &unread))?;
            if record.late {
                self.engine.interrupt(Interruption::DeadlineExceeded);
            }
            let was_made = !matches!(
                record.ended,
                Ended::NotMade(()) | Ended::DeadlineExceeded(())
            );
            if S::META.kind == Kind::Retriable && was_made {
                self.engine.go_forward_only();
            }
            let made = lock(&kept.attempted).take();
            let is_repeated = record.again || matches!(record.ended, Ended::Lost(()));
            let outcome = match record.ended {
                Ended::Lost(()) | Ended::NotMade(()) => {
                    match self
                        .engine
                        .interruption()
                        .filter(|_| phase == Phase::Forward)
                    {
                        Some(interruption) => Outcome::Interrupted(interruption),
                        // Nothing interrupts this one: it is made again.
                        None => continue,
                    }
                }
                Ended::DeadlineExceeded(()) => {
                    self.engine.interrupt(Interruption::DeadlineExceeded);
                    Outcome::Interrupted(Interruption::DeadlineExceeded)
                }
                Ended::Unrecordable(message) => {
                    *lock(&kept.attempted) = made;
                    let again = attempt_step::<S>(services, &attempt, args.clone(), limit);
                    let output = self.output::<S>(&kept, again, position).await?;
                    *lock(&self.unrecordable) = Some(message);
                    Outcome::Attempted(Attempted::Done(output))
                }
                Ended::Refused(refused) if refused.unwritten.is_some() => Outcome::Recorded {
                    answer: refused.answer(),
                    why: Why::Unrecordable {
                        message: refused.unwritten.unwrap_or_default(),
                    },
                },
                ended => match made {
                    Some(made) => Outcome::Attempted(made),
                    None => read::<S>(ended, errors, position)?,
                },
            };
            return Ok(Asked {
                outcome,
                is_repeated,
            });
        }
    }

    fn undo<'b>(
        &'b self,
        attempt: Attempt<'b>,
        undoing: BoxFuture<'b, Result<(), String>>,
    ) -> BoxFuture<'b, Result<(), String>> {
        self.engine.undo(attempt, undoing)
    }
}

/// The error with which Restate repeats an attempt instead of writing it down.
fn repeated(
    ended: &Ended,
    kind: Kind,
    is_repeated: bool,
    position: Position<'_>,
) -> Option<HandlerError> {
    let is_unrecordable = matches!(ended, Ended::Unrecordable(_));
    let only_forward = matches!(kind, Kind::Pivot | Kind::Retriable);
    let has_failed = !matches!(ended, Ended::Done(_));
    if (is_unrecordable && only_forward) || (is_repeated && has_failed) {
        let message = format!("step `{}`: {}", position.name(), ended.message());
        return Some(HandlerError::from(message));
    }
    None
}

/// What an attempt means that an earlier process has made.
fn read<S: Step>(
    ended: Ended,
    errors: ErrorRecord<S::Error>,
    position: Position<'_>,
) -> Result<Outcome<S::Output, S::Error>, LetGo> {
    Ok(match ended {
        Ended::Done(output) => {
            let output = from_json(output.get()).map_err(|unread| unreadable(position, &unread))?;
            Outcome::Attempted(Attempted::Done(output))
        }
        Ended::TimedOutAfter(after) => Outcome::Attempted(Attempted::TimedOut { after }),
        Ended::Panicked(message) => Outcome::Attempted(Attempted::Panicked { message }),
        Ended::Refused(refused) => match (&refused, errors) {
            (
                Refused {
                    error: Some(json), ..
                },
                ErrorRecord::Whole { read, .. },
            ) => {
                let error = read(json.get()).map_err(|unread| unreadable(position, &unread))?;
                Outcome::Attempted(Attempted::Refused(error))
            }
            _ => Outcome::Recorded {
                answer: refused.answer(),
                why: Why::Recorded {
                    code: "error".to_owned(),
                    message: refused.message,
                },
            },
        },
        other => return Err(LetGo(other.message())),
    })
}

fn unreadable(position: Position<'_>, error: &serde_json::Error) -> LetGo {
    LetGo(format!(
        "what is written down about step `{}` can't be read: {error}",
        position.name()
    ))
}

impl Surroundings<LetGo> for Asker<'_> {
    fn limit(&self, own: Option<Duration>) -> Option<Duration> {
        Some(own.unwrap_or(ATTEMPT_TIMEOUT))
    }

    fn wait(&self, delay: Duration) -> BoxFuture<'_, Result<Option<Interruption>, LetGo>> {
        Box::pin(async move {
            if let Some(interruption) = self.engine.interruption() {
                return Ok(Some(interruption));
            }
            // Whether the deadline has passed is for the next attempt to say, which writes it down.
            let delay = self.engine.left().map_or(delay, |left| left.min(delay));
            self.engine.pause(delay).await;
            Ok(self.engine.interruption())
        })
    }

    fn pause(&self, delay: Duration) -> BoxFuture<'_, Result<(), LetGo>> {
        Box::pin(async move {
            self.engine.rest(delay).await;
            Ok(())
        })
    }

    fn begin_settling<'a>(
        &'a self,
        _: Position<'a>,
        _: u32,
        _: Reason,
    ) -> BoxFuture<'a, Result<(), LetGo>> {
        // It follows from what is written down about the attempts.
        Box::pin(std::future::ready(Ok(())))
    }
}
