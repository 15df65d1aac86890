//! The attempts of a step, each recorded. Restate does not request an attempt again that has a record.

mod compensate;

use std::borrow::Cow;
use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use restate_sdk::context::RunRetryPolicy;
use restate_sdk::errors::{HandlerError, HandlerResult};
use saga_runtime::engine::{
    Attempt, AttemptOutcome, AttemptReport, Backoff, BoxFuture, Control, Doubt, GiveUp,
    Interruption, LastError, PendingStep, Place, Position, Purpose, Role, Surroundings, Verdict,
};
use saga_runtime::meta::{RetryDefaults, StepMeta};
use saga_runtime::{CompensationFailure, Kind};

use crate::attempt_record::{AttemptEnd, AttemptRecord};
use crate::entry_names;
use crate::invocation::{Failing, Invocation, NextAttempt, Suspended};
use crate::journal::{Recorded, Work};
use crate::lock::lock;

/// The number of attempts of a retriable step with entries of their own. After these, Restate repeats the entry.
const WRITTEN_ATTEMPTS: u32 = 10;

/// The engine's side of the pursuit of one step.
pub(crate) struct Asker<'a> {
    engine: &'a Invocation,
    doubt: &'a Doubt,
    /// True if other calls may be under way meanwhile, which a repetition by Restate would cut off.
    is_beside_others: bool,
    unrecordable: Mutex<Option<String>>,
    /// True if the step has ended its process too often: from then on each attempt needs an operator.
    is_blamed: AtomicBool,
    retries: RetryDefaults,
    /// The entry of the first attempt of a compensation that is left for later if it keeps failing.
    compensation: Option<String>,
    /// The compensation that is left for later.
    deferred: Mutex<Option<Failing>>,
}

/// The attempts of a compensation that hold up the others.
const ATTEMPTS_IN_ORDER: u32 = 5;

/// The knowledge of this process about an attempt that it makes.
#[derive(Default)]
struct Kept {
    has_begun: AtomicBool,
    answer: Mutex<Option<Verdict>>,
    written: Mutex<Option<Recorded>>,
}

impl Kept {
    /// Keeps a record in case that Restate drops it. Returns it as it is recorded.
    fn keep(&self, record: &AttemptRecord) -> Recorded {
        let written = record.write();
        *lock(&self.written) = Some(written.clone());
        written
    }
}

/// The entry of an attempt.
struct Entry {
    name: String,
    /// True if Restate repeats it.
    is_repeated: bool,
    crash: Crash,
}

/// The question if a process has ended in an attempt that has no record.
#[derive(Clone, Copy)]
enum Crash {
    Never,
    /// If an earlier process may have made it, and Restate has lost such a process.
    IfInDoubt,
    Certain,
}

impl<'a> Asker<'a> {
    pub(crate) fn new(engine: &'a Invocation, doubt: &'a Doubt, is_beside_others: bool) -> Self {
        Self {
            engine,
            doubt,
            is_beside_others,
            unrecordable: Mutex::new(None),
            is_blamed: AtomicBool::new(false),
            retries: RetryDefaults::IN_PROCESS,
            compensation: None,
            deferred: Mutex::new(None),
        }
    }

    /// The engine's side of a compensation.
    pub(crate) fn of_compensation(engine: &'a Invocation, position: Position<'_>) -> Self {
        let mut asker = Self::new(engine, &engine.doubt, true);
        if engine.form.takes_decisions() {
            asker.retries = RetryDefaults::all(engine.settings.compensation_retry);
            // In a part whose failure the body handles, it holds up the body until it is done.
            if !position.is_in_handled_part() {
                let first = entry_names::attempt(position, Role::Compensation, 1);
                asker.compensation = Some(first);
            }
        }
        asker
    }

    /// The next attempt of a compensation that is left for later, after this many attempts and with this wait.
    fn later(&self, attempts: u32, delay: Duration) -> Option<NextAttempt> {
        let first = self.compensation.as_ref()?;
        // It has ended too many processes.
        if lock(&self.engine.blamed).contains(first) {
            return Some(NextAttempt::IfDecided);
        }
        let after = || NextAttempt::After(self.engine.journal.timer(delay));
        (attempts >= ATTEMPTS_IN_ORDER).then(after)
    }

    /// Takes the compensation that is left for later.
    pub(crate) fn deferred(&self) -> Option<Failing> {
        lock(&self.deferred).take()
    }

    /// Takes the reason why the output of the step can't be recorded.
    pub(crate) fn unrecordable(&self) -> Option<String> {
        lock(&self.unrecordable).take()
    }

    /// The policy by which Restate repeats the entry of this attempt, if it does.
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

    /// The record of an attempt: made now, or read.
    async fn record(
        &self,
        name: &str,
        retry: Option<RunRetryPolicy>,
        kept: &Kept,
        mut work: Work<'_>,
    ) -> Recorded {
        if let Ok(written) = self.engine.journal.run(name, retry, work.as_mut()).await {
            return written;
        }
        // Restate has dropped the answer. The knowledge of this process is recorded under another name.
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

    async fn ask_or_read(
        &self,
        step: &mut dyn PendingStep,
        attempt: Attempt<'_>,
        purpose: Purpose,
    ) -> Result<AttemptReport, Suspended> {
        let Some(position) = attempt.position() else {
            return Err(Suspended("an attempt has a position".to_owned()));
        };
        loop {
            let (record, made) = self.make_or_read(step, attempt, position, purpose).await?;
            self.take_note(step.meta(), &record);
            let is_repeated = record.again || matches!(record.ended, AttemptEnd::Lost(()));
            let outcome = match record.ended {
                AttemptEnd::Lost(()) | AttemptEnd::NotMade(()) => {
                    match self.engine.interruption() {
                        Some(interruption) if purpose == Purpose::Forward => {
                            AttemptOutcome::Interrupted(interruption)
                        }
                        // An attempt to settle is not interrupted: it is made again.
                        _ => continue,
                    }
                }
                AttemptEnd::DeadlineExceeded(()) => {
                    AttemptOutcome::Interrupted(Interruption::DeadlineExceeded)
                }
                ended => {
                    let verdict = self.verdict(step, attempt, position, ended, made);
                    AttemptOutcome::Verdict(verdict.await?)
                }
            };
            return Ok(AttemptReport {
                outcome,
                is_repeated,
            });
        }
    }

    /// Makes the attempt and records it, or reads its record. Returns the verdict if it was made here.
    ///
    /// If a process ended in it, it is made again under another name, so that the records count these processes. A step
    /// that has ended too many is paused: an operator mends it, and resumes the saga for one more attempt.
    async fn make_or_read(
        &self,
        step: &mut dyn PendingStep,
        attempt: Attempt<'_>,
        position: Position<'_>,
        purpose: Purpose,
    ) -> Result<(AttemptRecord, Option<Verdict>), Suspended> {
        let name = entry_names::attempt(position, Role::Action, attempt.attempt());
        let retry = self.repeats(step.meta(), attempt.attempt());
        let unread = |_| unreadable(position);
        let mut crashes = 0;
        loop {
            let mut entry = Entry {
                name: name.clone(),
                is_repeated: retry.is_some(),
                crash: Crash::IfInDoubt,
            };
            // Suspects are tried one at a time. The members of a group are not: their order is recorded.
            let _alone = if crashes > 1 && !self.is_beside_others {
                Some(self.engine.settings.alone.lock().await)
            } else {
                None
            };
            if crashes > 0 {
                let kept = Kept::default();
                let begin = pin!(async {
                    kept.has_begun.store(true, Ordering::Relaxed);
                    Ok(kept.keep(&AttemptRecord::new(AttemptEnd::Begun(()))))
                });
                let recovery = entry_names::recovery(&name, crashes);
                let written = self.record(&recovery, None, &kept, begin).await;
                let record: AttemptRecord = serde_json::from_slice(&written).map_err(unread)?;
                if !matches!(record.ended, AttemptEnd::Begun(())) {
                    return Ok((record, None));
                }
                entry.name = entry_names::again(&name, crashes);
                entry.crash = if kept.has_begun.load(Ordering::Relaxed) {
                    Crash::Never
                } else {
                    Crash::Certain
                };
            } else if self.is_blamed.load(Ordering::Relaxed) {
                entry.crash = Crash::Certain;
            }
            let kept = Kept::default();
            let written = {
                let work = pin!(self.make(step, attempt, position, purpose, &entry, &kept));
                self.record(&entry.name, retry.clone(), &kept, work).await
            };
            let mut record: AttemptRecord = serde_json::from_slice(&written).map_err(unread)?;
            if !matches!(record.ended, AttemptEnd::Crashed(())) {
                record.again |= crashes > 0;
                let made = lock(&kept.answer).take();
                return Ok((record, made));
            }
            crashes += 1;
            if crashes >= self.engine.settings.max_recoveries {
                self.is_blamed.store(true, Ordering::Relaxed);
            }
            let is_new = kept.has_begun.load(Ordering::Relaxed);
            if is_new && self.is_blamed.load(Ordering::Relaxed) {
                return Err(self.engine.pause_for_operator(position));
            }
        }
    }

    /// Makes the attempt, unless the deadline has passed. Restate records the result, and repeats the attempt on an error.
    async fn make(
        &self,
        step: &mut dyn PendingStep,
        attempt: Attempt<'_>,
        position: Position<'_>,
        purpose: Purpose,
        entry: &Entry,
        kept: &Kept,
    ) -> HandlerResult<Recorded> {
        kept.has_begun.store(true, Ordering::Relaxed);
        let kind = step.meta().kind;
        let again = self.doubt.take();
        let is_crashed = match entry.crash {
            Crash::Never => false,
            Crash::IfInDoubt => again && !entry.is_repeated && self.engine.has_crashed(),
            Crash::Certain => true,
        };
        if is_crashed {
            return Ok(kept.keep(&AttemptRecord::new(AttemptEnd::Crashed(()))));
        }
        let may_be_done = again && kind == Kind::Retriable;
        let mut record = if purpose == Purpose::Forward && !may_be_done && self.engine.is_late() {
            AttemptRecord::new(AttemptEnd::DeadlineExceeded(()))
        } else {
            let settings = &self.engine.settings;
            let limit = self.engine.limit(step.meta());
            let answer = step.attempt(&attempt, Some(limit)).await;
            let ended = AttemptEnd::from_attempt(step, answer, limit, settings.payload_limit);
            if let Some(error) = repeated(&ended, kind, entry.is_repeated, position) {
                return Err(error);
            }
            *lock(&kept.answer) = Some(answer);
            AttemptRecord {
                late: self.engine.is_late(),
                ..AttemptRecord::new(ended)
            }
        };
        record.again = again;
        Ok(kept.keep(&record))
    }

    /// Takes over the facts about the saga that the record of an attempt holds.
    fn take_note(&self, step: &StepMeta, record: &AttemptRecord) {
        self.engine.clock.advance_to(record.at);
        let is_too_late = matches!(record.ended, AttemptEnd::DeadlineExceeded(()));
        if record.late || is_too_late {
            self.engine.interrupt(Interruption::DeadlineExceeded);
        }
        let was_made = !is_too_late && !matches!(record.ended, AttemptEnd::NotMade(()));
        if step.kind == Kind::Retriable && was_made {
            self.engine.way_back().close();
        }
    }

    /// The verdict on an attempt that has ended like this. `made`: the verdict, if this process made it.
    async fn verdict(
        &self,
        step: &mut dyn PendingStep,
        attempt: Attempt<'_>,
        position: Position<'_>,
        ended: AttemptEnd,
        made: Option<Verdict>,
    ) -> Result<Verdict, Suspended> {
        match (ended, made) {
            (AttemptEnd::Unrecordable(message), made) => {
                // If this process does not have the output, the step is asked again.
                let answer = if let Some(answer) = made {
                    answer
                } else {
                    let limit = self.engine.limit(step.meta());
                    step.attempt(&attempt, Some(limit)).await
                };
                if answer != Verdict::Done {
                    return Err(Suspended(format!(
                        "step `{}` is done, but its output is neither recorded nor given again",
                        position.name()
                    )));
                }
                *lock(&self.unrecordable) = Some(message);
                Ok(Verdict::Done)
            }
            (AttemptEnd::Refused(refused), _) if refused.unwritten.is_some() => {
                let answer = refused.answer();
                let message = refused.unwritten.unwrap_or_default();
                step.give_up(GiveUp::unrecordable_error(&message));
                Ok(answer)
            }
            (_, Some(answer)) => Ok(answer),
            (ended, None) => read(step, ended, position),
        }
    }
}

/// The error with which Restate repeats an attempt instead of recording it. The SDK logs its text, so it has none of the step's.
fn repeated(
    ended: &AttemptEnd,
    kind: Kind,
    is_repeated: bool,
    position: Position<'_>,
) -> Option<HandlerError> {
    let is_unrecordable = matches!(ended, AttemptEnd::Unrecordable(_));
    let has_failed = !matches!(ended, AttemptEnd::Done(_));
    if (is_unrecordable && kind.closes_the_way_back()) || (is_repeated && has_failed) {
        let step = position.name();
        let message = if is_unrecordable {
            format!("step `{step}` is done, but its output can't be recorded: it is asked again")
        } else {
            format!("step `{step}` has failed, and is asked again")
        };
        return Some(HandlerError::from(message));
    }
    None
}

/// Gives the step the recorded result of an attempt that an earlier process made.
fn read(
    step: &mut dyn PendingStep,
    ended: AttemptEnd,
    position: Position<'_>,
) -> Result<Verdict, Suspended> {
    let unread = |_| unreadable(position);
    match ended {
        AttemptEnd::Done(output) => {
            step.read_output(output.get()).map_err(unread)?;
            Ok(Verdict::Done)
        }
        AttemptEnd::TimedOutAfter(after) => {
            step.give_up(GiveUp::TimedOut { after });
            Ok(Verdict::NONE)
        }
        AttemptEnd::Panicked(message) => {
            step.give_up(GiveUp::Panicked { message });
            Ok(Verdict::NONE)
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

/// The SDK logs this text, and the reason may quote the record.
fn unreadable(position: Position<'_>) -> Suspended {
    Suspended(format!(
        "the record of step `{}` can't be read",
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
        Box::pin(self.ask_or_read(step, attempt, phase))
    }

    fn compensate<'b>(
        &'b self,
        attempt: Attempt<'b>,
        compensator: BoxFuture<'b, Result<(), String>>,
    ) -> BoxFuture<'b, Result<(), String>> {
        self.engine.compensate(attempt, compensator)
    }

    fn policies(&self, step: &'static StepMeta) -> Cow<'static, StepMeta> {
        self.engine.holding(step)
    }

    fn limit(&self, own: Option<Duration>) -> Option<Duration> {
        Some(own.unwrap_or(self.engine.settings.attempt_timeout))
    }

    fn wait<'b>(
        &'b self,
        Backoff { delay, .. }: Backoff,
        _: LastError<'b>,
    ) -> BoxFuture<'b, Result<Option<Interruption>, Suspended>> {
        Box::pin(async move {
            if let Some(interruption) = self.engine.interruption() {
                return Ok(Some(interruption));
            }
            // The next attempt decides if the deadline has passed, and records it.
            let delay = self
                .engine
                .time_to_deadline()
                .map_or(delay, |left| left.min(delay));
            self.engine.pause(delay).await;
            Ok(self.engine.interruption())
        })
    }

    fn retry_defaults(&self) -> RetryDefaults {
        self.retries
    }

    fn pause<'b>(
        &'b self,
        Backoff {
            delay, attempts, ..
        }: Backoff,
        last: LastError<'b>,
    ) -> BoxFuture<'b, Result<(), Suspended>> {
        Box::pin(async move {
            if let Some(next) = self.later(attempts, delay) {
                let failure = CompensationFailure::new(attempts, last.reason().message);
                *lock(&self.deferred) = Some(Failing { failure, next });
                return Err(Suspended("it is left for later".to_owned()));
            }
            self.engine.rest(delay).await;
            Ok(())
        })
    }

    fn begin_settling<'a>(
        &'a self,
        _: Position<'a>,
        _: u32,
        _: &'a mut dyn PendingStep,
    ) -> BoxFuture<'a, Result<(), Suspended>> {
        // It follows from the records of the attempts.
        Box::pin(std::future::ready(Ok(())))
    }
}
