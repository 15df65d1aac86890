//! The attempts of a step, each written down: what Restate has already is not requested again.

mod compensate;

use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use restate_sdk::context::RunRetryPolicy;
use restate_sdk::errors::HandlerError;
use saga_runtime::Kind;
use saga_runtime::engine::{
    ATTEMPT_TIMEOUT, Attempt, AttemptOutcome, AttemptReport, BoxFuture, Control, Doubt, GiveUp,
    Interruption, PendingStep, Place, Position, Purpose, Reason, Role, Surroundings, Verdict,
};
use saga_runtime::meta::StepMeta;

use crate::attempt_record::{AttemptEnd, AttemptRecord};
use crate::engine::{Restate, Suspended};
use crate::entry_names;
use crate::journal::{Recorded, Work};
use crate::lock::lock;

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
#[derive(Default)]
struct Kept {
    has_begun: AtomicBool,
    answer: Mutex<Option<Verdict>>,
    written: Mutex<Option<Recorded>>,
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
    fn repeats(&self, step: &StepMeta, number: u32) -> Option<RunRetryPolicy> {
        if step.kind != Kind::Retriable || self.is_beside_others || number <= WRITTEN_ATTEMPTS {
            return None;
        }
        let policy = step.forward_retry();
        Some(
            RunRetryPolicy::new()
                .initial_delay(policy.longest_wait())
                .max_delay(policy.longest_wait()),
        )
    }

    /// The record of an attempt: made now, or written down before.
    async fn written(
        &self,
        name: &str,
        retry: Option<RunRetryPolicy>,
        kept: &Kept,
        mut work: Work<'_>,
    ) -> Recorded {
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
                    None if self.doubt.take() => {
                        Ok(AttemptRecord::new(AttemptEnd::Lost(())).write())
                    }
                    None => Ok(AttemptRecord::new(AttemptEnd::NotMade(())).write()),
                }
            });
            let name = entry_names::answer(name);
            if let Ok(written) = self.engine.journal.run(&name, None, answer).await {
                return written;
            }
        }
    }

    async fn asked(
        &self,
        step: &mut dyn PendingStep,
        attempt: Attempt<'_>,
        phase: Purpose,
    ) -> Result<AttemptReport, Suspended> {
        let Some(position) = attempt.position() else {
            return Err(Suspended("an attempt has a position".to_owned()));
        };
        let meta = step.meta();
        let limit = meta.timeout.unwrap_or(ATTEMPT_TIMEOUT);
        let name = entry_names::attempt(position, Role::Action, attempt.attempt());
        let retry = self.repeats(meta, attempt.attempt());
        loop {
            let kept = Kept::default();
            let written = {
                let work = pin!(async {
                    kept.has_begun.store(true, Ordering::Relaxed);
                    let again = self.doubt.take();
                    let is_open = again && meta.kind == Kind::Retriable;
                    let mut record =
                        if phase == Purpose::Forward && !is_open && self.engine.is_late() {
                            AttemptRecord::new(AttemptEnd::DeadlineExceeded(()))
                        } else {
                            let answer = step.attempt(&attempt, Some(limit)).await;
                            let ended = AttemptEnd::of(step, answer, limit);
                            if let Some(error) =
                                repeated(&ended, meta.kind, retry.is_some(), position)
                            {
                                return Err(error);
                            }
                            *lock(&kept.answer) = Some(answer);
                            AttemptRecord {
                                late: self.engine.is_late(),
                                ..AttemptRecord::new(ended)
                            }
                        };
                    record.again = again;
                    let written = record.write();
                    *lock(&kept.written) = Some(written.clone());
                    Ok(written)
                });
                self.written(&name, retry.clone(), &kept, work).await
            };
            let record: AttemptRecord =
                serde_json::from_slice(&written).map_err(|unread| unreadable(position, &unread))?;
            self.engine.clock.is(record.at);
            if record.late {
                self.engine.interrupt(Interruption::DeadlineExceeded);
            }
            let was_made = !matches!(
                record.ended,
                AttemptEnd::NotMade(()) | AttemptEnd::DeadlineExceeded(())
            );
            if meta.kind == Kind::Retriable && was_made {
                self.engine.way_back().close();
            }
            let made = lock(&kept.answer).take();
            let is_repeated = record.again || matches!(record.ended, AttemptEnd::Lost(()));
            let outcome = match record.ended {
                AttemptEnd::Lost(()) | AttemptEnd::NotMade(()) => {
                    let interruption = self.engine.interruption();
                    match interruption.filter(|_| phase == Purpose::Forward) {
                        Some(interruption) => AttemptOutcome::Interrupted(interruption),
                        // Nothing interrupts this one: it is made again.
                        None => continue,
                    }
                }
                AttemptEnd::DeadlineExceeded(()) => {
                    self.engine.interrupt(Interruption::DeadlineExceeded);
                    AttemptOutcome::Interrupted(Interruption::DeadlineExceeded)
                }
                AttemptEnd::Unrecordable(message) => {
                    // Where this process does not have the output, the step is asked again.
                    let answer = match made {
                        Some(answer) => answer,
                        None => step.attempt(&attempt, Some(limit)).await,
                    };
                    if answer != Verdict::Done {
                        return Err(Suspended(format!(
                            "step `{}` is done, but its output is neither written down nor given again",
                            position.name()
                        )));
                    }
                    *lock(&self.unrecordable) = Some(message);
                    AttemptOutcome::Verdict(Verdict::Done)
                }
                AttemptEnd::Refused(refused) if refused.unwritten.is_some() => {
                    let answer = refused.answer();
                    let message = refused.unwritten.unwrap_or_default();
                    step.give_up(GiveUp::Unrecordable { message });
                    AttemptOutcome::Verdict(answer)
                }
                ended => AttemptOutcome::Verdict(match made {
                    Some(answer) => answer,
                    None => read(step, ended, position)?,
                }),
            };
            return Ok(AttemptReport {
                outcome,
                is_repeated,
            });
        }
    }
}

/// The error with which Restate repeats an attempt instead of writing it down.
fn repeated(
    ended: &AttemptEnd,
    kind: Kind,
    is_repeated: bool,
    position: Position<'_>,
) -> Option<HandlerError> {
    let is_unrecordable = matches!(ended, AttemptEnd::Unrecordable(_));
    let has_failed = !matches!(ended, AttemptEnd::Done(_));
    if (is_unrecordable && kind.closes_the_way_back()) || (is_repeated && has_failed) {
        let message = format!("step `{}`: {}", position.name(), ended.message());
        return Some(HandlerError::from(message));
    }
    None
}

/// Takes what an attempt has given that an earlier process has made.
fn read(
    step: &mut dyn PendingStep,
    ended: AttemptEnd,
    position: Position<'_>,
) -> Result<Verdict, Suspended> {
    let unread = |error: serde_json::Error| unreadable(position, &error);
    match ended {
        AttemptEnd::Done(output) => {
            step.read_output(output.get()).map_err(unread)?;
            Ok(Verdict::Done)
        }
        AttemptEnd::TimedOutAfter(after) => {
            step.give_up(GiveUp::TimedOut { after });
            Ok(UNKNOWN)
        }
        AttemptEnd::Panicked(message) => {
            step.give_up(GiveUp::Panicked { message });
            Ok(UNKNOWN)
        }
        AttemptEnd::Refused(refused) => {
            let answer = refused.answer();
            let is_whole = match &refused.error {
                Some(json) => step.read_error(json.get()).map_err(unread)?,
                None => false,
            };
            if !is_whole {
                step.give_up(GiveUp::Recorded {
                    code: "error".to_owned(),
                    message: refused.message,
                });
            }
            Ok(answer)
        }
        other => Err(Suspended(other.message())),
    }
}

/// The answer of an attempt that gave none.
const UNKNOWN: Verdict = Verdict::InDoubt { transient: true };

fn unreadable(position: Position<'_>, error: &serde_json::Error) -> Suspended {
    Suspended(format!(
        "what is written down about step `{}` can't be read: {error}",
        position.name()
    ))
}

impl Surroundings<Suspended> for Asker<'_> {
    fn ask<'b>(
        &'b self,
        step: &'b mut dyn PendingStep,
        attempt: Attempt<'b>,
        phase: Purpose,
    ) -> BoxFuture<'b, Result<AttemptReport, Suspended>> {
        Box::pin(self.asked(step, attempt, phase))
    }

    fn compensate<'b>(
        &'b self,
        attempt: Attempt<'b>,
        compensator: BoxFuture<'b, Result<(), String>>,
    ) -> BoxFuture<'b, Result<(), String>> {
        self.engine.compensate(attempt, compensator)
    }

    fn limit(&self, own: Option<Duration>) -> Option<Duration> {
        Some(own.unwrap_or(ATTEMPT_TIMEOUT))
    }

    fn wait(&self, delay: Duration) -> BoxFuture<'_, Result<Option<Interruption>, Suspended>> {
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

    fn pause(&self, delay: Duration) -> BoxFuture<'_, Result<(), Suspended>> {
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
    ) -> BoxFuture<'a, Result<(), Suspended>> {
        // It follows from what is written down about the attempts.
        Box::pin(std::future::ready(Ok(())))
    }
}
