//! The engine that replays what is written down and writes down what happens: behind a [`Coordinator`](crate::Coordinator).
//!
//! An outcome is noted when it is there, and written before anything else is requested. So a saga of N steps is written
//! N + 1 times: its start, one outcome each, and the last outcome together with the end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::attempt::{Attempted, attempt_step, message};
use crate::compensation::{Compensating, undo};
use crate::control::{Control, Interruption};
use crate::decision::is_definite;
use crate::engine::{Engine, ErrorRecord, Failing, Settlement, StepEnd, Stopped, Why};
use crate::error::CompensationOutcome;
use crate::history::{History, Next, Settling};
use crate::journal::{Event, Reason, Settled, StepCall};
use crate::payload::Payload;
use crate::place::{Attempt, Calls, Instance, Position, Role};
use crate::pursuit::{Begin, BoxFuture, Pursuit, Surroundings};
use crate::recorder::{LetGo, Recorder};
use crate::saga::{Saga, SagaEnd};
use crate::step::{Kind, Step};

/// What a coordinator decides for all of its sagas.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policies {
    /// The longest that an attempt may take, where the step says nothing.
    pub(crate) attempt_timeout: Duration,
    /// The largest input or output that is written down, in bytes of JSON.
    pub(crate) payload_limit: usize,
}

/// One saga that is held by a worker.
#[derive(Debug)]
pub(crate) struct Journaled {
    pub(crate) instance: Instance,
    pub(crate) control: Arc<Control>,
    pub(crate) history: History,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) policies: Policies,
    /// How many calls of steps the body has made.
    calls: AtomicUsize,
}

impl Journaled {
    pub(crate) fn new(
        instance: Instance,
        control: Arc<Control>,
        history: History,
        recorder: Arc<Recorder>,
        policies: Policies,
    ) -> Self {
        Self {
            instance,
            control,
            history,
            recorder,
            policies,
            calls: AtomicUsize::new(0),
        }
    }

    /// The saga has changed since it was written down.
    fn changed(&self, what: impl std::fmt::Display) -> LetGo {
        let name = self.instance.name();
        LetGo::stuck(
            "definition_changed",
            format!("the definition of `{name}` has changed: {what}"),
        )
    }

    /// Whether all that is written down was called.
    pub(crate) fn replayed(&self) -> Result<(), LetGo> {
        let called = self.calls.load(Ordering::Relaxed);
        match self.history.call(called) {
            None => Ok(()),
            Some(call) => Err(self.changed(format_args!(
                "step `{call}` is written down as call {}, but the saga ends before it",
                called + 1
            ))),
        }
    }

    /// Notes that the saga has completed.
    fn completed(&self, output: &impl Payload) -> Result<(), LetGo> {
        self.replayed()?;
        if let Some(decision) = self.history.decision() {
            let reason = &decision.reason.message;
            return Err(self.changed(format_args!(
                "it completes, but is written down as failed: {reason}"
            )));
        }
        let output = self.payload(output).map_err(|message| {
            let message = format!("the result can't be written down: {message}");
            LetGo::stuck("unrecordable", message)
        })?;
        self.recorder.note(Event::Completed { output });
        Ok(())
    }

    /// A value as it is written down.
    pub(crate) fn payload(&self, value: &impl Payload) -> Result<String, String> {
        to_json(value, self.policies.payload_limit)
    }

    /// Requests the step `S`: nothing about its outcome is written down yet.
    async fn request<S: Step>(
        &self,
        position: Position<'_>,
        services: &S::Services,
        args: S::Args<'_>,
        errors: ErrorRecord<S::Error>,
    ) -> StepEnd<S::Output, S::Error, LetGo> {
        if let Err(let_go) = self.recorder.write().await {
            return StepEnd::Suspended(let_go);
        }
        if self.recorder.tenure().shutdown.is_cancelled() {
            return StepEnd::Suspended(LetGo::Shutdown);
        }
        let call = call::<S>(position);
        let in_doubt = self.recorder.take_in_doubt();
        let begin = match self.control.interruption() {
            Some(interruption) if in_doubt => Begin::Interrupted(interruption),
            Some(interruption) => return StepEnd::interrupted(interruption, Settlement::Nothing),
            None => {
                if S::META.kind == Kind::Retriable {
                    self.control.go_forward_only();
                }
                if in_doubt {
                    Begin::InDoubt
                } else {
                    let attempt = Attempt::new(position, Role::Action, 1);
                    let limit = Some(self.limit(S::META.timeout));
                    match attempt_step::<S>(services, &attempt, args.clone(), limit).await {
                        Attempted::Done(output) => return self.done::<S>(call, 1, output),
                        Attempted::Refused(error) if is_definite::<S>(&error) => {
                            return self.refused::<S>(call, 1, error, errors);
                        }
                        other => Begin::After(other),
                    }
                }
            }
        };
        self.pursue::<S>(position, services, args, errors, begin)
            .await
    }

    /// Pursues the step `S` until its outcome is settled, and notes it.
    async fn pursue<S: Step>(
        &self,
        position: Position<'_>,
        services: &S::Services,
        args: S::Args<'_>,
        errors: ErrorRecord<S::Error>,
        begin: Begin<S::Output, S::Error>,
    ) -> StepEnd<S::Output, S::Error, LetGo> {
        let around = Around {
            engine: self,
            call: call::<S>(position),
            is_settling: AtomicBool::new(matches!(begin, Begin::Settling(_))),
        };
        let pursuit = Pursuit::<S> {
            position,
            services,
            errors,
        };
        let (end, attempts) = pursuit.run(&around, args, begin).await;
        let Around {
            call, is_settling, ..
        } = around;
        let is_settling = is_settling.into_inner();
        match end {
            // Between two attempts, of which the first may have done something.
            StepEnd::Suspended(let_go) => {
                self.recorder.set_in_doubt(!is_settling);
                StepEnd::Suspended(let_go)
            }
            StepEnd::Done(output) => self.done::<S>(call, attempts, output),
            StepEnd::Refused(error) => self.refused::<S>(call, attempts, error, errors),
            StepEnd::Stopped(stopped) => {
                self.note_stopped::<S>(call, attempts, &stopped, errors, is_settling);
                StepEnd::Stopped(stopped)
            }
        }
    }

    /// Asks a pivot again that an operator wants to be asked again: if it was done after all, the saga goes forward.
    async fn ask_pivot<S: Step>(
        &self,
        position: Position<'_>,
        services: &S::Services,
        args: S::Args<'_>,
        why: Why<S::Error>,
    ) -> StepEnd<S::Output, S::Error, LetGo> {
        let around = Around {
            engine: self,
            call: call::<S>(position),
            is_settling: AtomicBool::new(true),
        };
        let pursuit = Pursuit::<S> {
            position,
            services,
            errors: ErrorRecord::Text,
        };
        let (end, attempts) = pursuit.run(&around, args, Begin::InDoubt).await;
        let step = around.call;
        let (settled, end) = match end {
            StepEnd::Done(output) => match self.payload(&output) {
                Ok(json) => (Settled::Done { output: json }, StepEnd::Done(output)),
                Err(message) => return StepEnd::Suspended(unrecordable(&step, &message)),
            },
            StepEnd::Stopped(stopped) => match stopped.settlement {
                Settlement::Unresolved(failure) => {
                    let settled = Settled::Unresolved {
                        attempts,
                        message: failure.message.clone(),
                    };
                    let settlement = Settlement::Unresolved(failure);
                    (settled, stopped_for(why, settlement))
                }
                _ => (Settled::Nothing, stopped_for(why, Settlement::Nothing)),
            },
            StepEnd::Refused(_) => (Settled::Nothing, stopped_for(why, Settlement::Nothing)),
            suspended @ StepEnd::Suspended(_) => return suspended,
        };
        self.recorder.note(Event::StepSettled { step, settled });
        if let StepEnd::Done(_) = end {
            self.control.go_forward_only();
        }
        end
    }

    /// Notes that a step is done.
    fn done<S: Step>(
        &self,
        step: StepCall,
        attempts: u32,
        output: S::Output,
    ) -> StepEnd<S::Output, S::Error, LetGo> {
        let only_forward = matches!(S::META.kind, Kind::Pivot | Kind::Retriable);
        match self.payload(&output) {
            Ok(json) => self.recorder.note(Event::StepDone {
                step,
                attempts,
                output: json,
            }),
            Err(message) if only_forward => {
                return StepEnd::Suspended(unrecordable(&step, &message));
            }
            // What the step has done is undone while its output is still here. If the process ends before, the step is
            // asked for its output again.
            Err(message) => {
                let why = Why::<S::Error>::Unrecordable { message };
                let reason = why.reason(ErrorRecord::Text);
                self.recorder.note(Event::StepInDoubt {
                    step,
                    attempts,
                    reason,
                });
                return stopped_for(why, Settlement::Done(output));
            }
        }
        if S::META.kind == Kind::Pivot {
            self.control.go_forward_only();
        }
        match self.control.interruption() {
            None => StepEnd::Done(output),
            // The saga was stopped during the attempt: what that has done is undone with the rest.
            Some(interruption) => StepEnd::interrupted(interruption, Settlement::Done(output)),
        }
    }

    /// Notes that a step has refused.
    fn refused<S: Step>(
        &self,
        step: StepCall,
        attempts: u32,
        error: S::Error,
        errors: ErrorRecord<S::Error>,
    ) -> StepEnd<S::Output, S::Error, LetGo> {
        // The body handles the error, but a replay could not: it is not given to the body the first time either.
        let why = match errors.write(&error) {
            Some(Err(unwritten)) => {
                let message = unwritten.to_string();
                Why::Unrecordable { message }
            }
            _ => Why::Error(error),
        };
        self.recorder.note(Event::StepRefused {
            step,
            attempts,
            reason: why.reason(errors),
        });
        match why {
            Why::Error(error) => StepEnd::Refused(error),
            why => stopped_for(why, Settlement::Nothing),
        }
    }

    /// Notes what has become of a step that was given up.
    fn note_stopped<S: Step>(
        &self,
        step: StepCall,
        attempts: u32,
        stopped: &Stopped<S::Output, S::Error>,
        errors: ErrorRecord<S::Error>,
        is_settling: bool,
    ) {
        let settled = match &stopped.settlement {
            // It was interrupted before an attempt could do anything: there is nothing to say about it.
            Settlement::Nothing if !is_settling && matches!(stopped.why, Why::Interrupted(_)) => {
                return;
            }
            Settlement::Nothing if !is_settling => {
                let reason = stopped.why.reason(errors);
                self.recorder.note(Event::StepRefused {
                    step,
                    attempts,
                    reason,
                });
                return;
            }
            Settlement::Nothing => Settled::Nothing,
            Settlement::Resolved => Settled::Resolved,
            Settlement::Unresolved(failure) => Settled::Unresolved {
                attempts: failure.attempts,
                message: failure.message.clone(),
            },
            Settlement::Done(output) => match self.payload(output) {
                Ok(output) => Settled::Done { output },
                // It stays in doubt, and is asked for its output again if the process ends before it is undone.
                Err(_) => return,
            },
            Settlement::Skipped { .. } => return,
        };
        if !is_settling {
            let reason = stopped.why.reason(errors);
            self.recorder.note(Event::StepInDoubt {
                step: step.clone(),
                attempts,
                reason,
            });
        }
        self.recorder.note(Event::StepSettled { step, settled });
    }

    /// A step that was given up by an earlier process, and is settled.
    fn settled<S: Step>(
        reason: &Reason,
        settled: &Settling,
        errors: ErrorRecord<S::Error>,
    ) -> Result<StepEnd<S::Output, S::Error, LetGo>, LetGo> {
        let settlement = match settled {
            Settling::Nothing => Settlement::Nothing,
            Settling::Done { output } => Settlement::Done(read::<S>(output)?),
            Settling::Resolved => Settlement::Resolved,
            Settling::Unresolved(failure) => Settlement::Unresolved(failure.clone()),
            Settling::Skipped { reason } => Settlement::Skipped {
                reason: reason.clone(),
            },
        };
        Ok(stopped_for(why::<S>(reason, errors)?, settlement))
    }

    /// What is known about the call of a step, or its outcome, if it has to be requested.
    async fn replay_or_request<S: Step>(
        &self,
        position: Position<'_>,
        services: &S::Services,
        args: S::Args<'_>,
        errors: ErrorRecord<S::Error>,
    ) -> Result<StepEnd<S::Output, S::Error, LetGo>, LetGo> {
        let index = self.calls.fetch_add(1, Ordering::Relaxed);
        let occurrence = position.occurrence();
        Ok(match self.history.next(index, &S::META, occurrence) {
            Next::Request => self.request::<S>(position, services, args, errors).await,
            Next::Done(output) => {
                let output = read::<S>(output)?;
                if matches!(S::META.kind, Kind::Pivot | Kind::Retriable) {
                    self.control.go_forward_only();
                }
                StepEnd::Done(output)
            }
            Next::Refused(reason) => match why::<S>(reason, errors)? {
                Why::Error(error) => StepEnd::Refused(error),
                why => stopped_for(why, Settlement::Nothing),
            },
            Next::Settle(reason) => {
                self.recorder.set_in_doubt(false);
                let why = why::<S>(reason, errors)?;
                if S::META.kind == Kind::Pivot {
                    self.ask_pivot::<S>(position, services, args, why).await
                } else {
                    let begin = Begin::Settling(why);
                    self.pursue::<S>(position, services, args, errors, begin)
                        .await
                }
            }
            Next::Settled(reason, settled) => Self::settled::<S>(reason, settled, errors)?,
            Next::Stop(decision) => {
                let why = Why::Recorded {
                    code: decision.reason.code.to_string(),
                    message: decision.reason.message.clone(),
                };
                stopped_for(why, Settlement::Nothing)
            }
            Next::Changed { recorded } => {
                let called = call::<S>(position);
                return Err(self.changed(format_args!(
                    "call {} is of step `{called}` ({}), but step `{recorded}` ({}) is written down",
                    index + 1,
                    called.kind,
                    recorded.kind,
                )));
            }
        })
    }
}

impl Engine for Journaled {
    type Suspension = LetGo;
    type End<G: Saga> = SagaEnd<G, LetGo>;

    fn instance(&self) -> &Instance {
        &self.instance
    }

    fn end<G: Saga>(&self, end: SagaEnd<G, LetGo>) -> Self::End<G> {
        let noted = match &end {
            SagaEnd::Completed(output) => self.completed(output),
            SagaEnd::Failed(error) => self.replayed().map(|()| {
                self.recorder.note(if error.is_final() {
                    Event::Compensated
                } else {
                    let reason = error.stuck_because();
                    Event::Stuck { reason }
                });
            }),
            SagaEnd::Suspended(LetGo::Stuck(reason)) => Err(LetGo::Stuck(reason.clone())),
            SagaEnd::Suspended(_) => Ok(()),
        };
        match noted {
            Ok(()) => end,
            Err(let_go) => {
                if let LetGo::Stuck(reason) = &let_go {
                    self.recorder.note(Event::Stuck {
                        reason: reason.clone(),
                    });
                }
                SagaEnd::Suspended(let_go)
            }
        }
    }

    async fn step<'a, S: Step>(
        &'a self,
        calls: &'a dyn Calls,
        services: &'a S::Services,
        args: S::Args<'_>,
        _: Option<Attempted<S::Output, S::Error>>,
        errors: ErrorRecord<S::Error>,
    ) -> StepEnd<S::Output, S::Error, LetGo> {
        let position = Position::new(calls, &const { S::META }, calls.count());
        match self
            .replay_or_request::<S>(position, services, args, errors)
            .await
        {
            Ok(end) => end,
            Err(let_go) => StepEnd::Suspended(let_go),
        }
    }

    fn begin_compensation(&self, step: Option<&'static str>, cause: &Failing<'_>) {
        if self.history.decision().is_none() {
            self.recorder.note(Event::Compensating {
                step: step.map(Into::into),
                reason: Reason::new(cause.code, cause.message.to_string()),
            });
        }
    }

    async fn compensate<'a, S: Step>(
        &'a self,
        position: Position<'a>,
        services: &'a S::Services,
        output: &'a S::Output,
    ) -> Result<CompensationOutcome, LetGo> {
        let occurrence = position.occurrence();
        if let Some(outcome) = self.history.compensation(S::META.name, occurrence) {
            return Ok(outcome.clone());
        }
        self.replayed()?;
        self.recorder.write().await?;
        if self.recorder.tenure().shutdown.is_cancelled() {
            return Err(LetGo::Shutdown);
        }
        let around = Around {
            engine: self,
            call: call::<S>(position),
            is_settling: AtomicBool::new(true),
        };
        let mut compensating = Compensating::<S> {
            services,
            output,
            limit: Some(self.limit(S::META.compensation_timeout)),
        };
        let retry = S::META.compensation_retry;
        let (attempts, undone) = undo(&mut compensating, position, retry, None, &around).await?;
        let step = around.call;
        self.recorder.note(match &undone {
            Ok(()) => Event::CompensationDone { step, attempts },
            Err(failure) => Event::CompensationFailed {
                step,
                attempts,
                message: failure.message.clone(),
            },
        });
        Ok(undone.into())
    }
}

impl Journaled {
    /// The longest that an attempt may take.
    fn limit(&self, own: Option<Duration>) -> Duration {
        own.unwrap_or(self.policies.attempt_timeout)
    }

    /// Waits, unless the coordinator shuts down.
    async fn unless_shutdown<T>(&self, waiting: impl Future<Output = T>) -> Result<T, LetGo> {
        let waited = self.recorder.tenure().shutdown.run_until_cancelled(waiting);
        waited.await.ok_or(LetGo::Shutdown)
    }
}

/// What surrounds one step that is pursued.
struct Around<'a> {
    engine: &'a Journaled,
    call: StepCall,
    is_settling: AtomicBool,
}

impl Surroundings<LetGo> for Around<'_> {
    fn limit(&self, own: Option<Duration>) -> Option<Duration> {
        Some(self.engine.limit(own))
    }

    fn wait(&self, delay: Duration) -> BoxFuture<'_, Result<Option<Interruption>, LetGo>> {
        Box::pin(self.engine.unless_shutdown(self.engine.control.wait(delay)))
    }

    fn pause(&self, delay: Duration) -> BoxFuture<'_, Result<(), LetGo>> {
        Box::pin(self.engine.unless_shutdown(tokio::time::sleep(delay)))
    }

    fn begin_settling<'a>(
        &'a self,
        _: Position<'a>,
        attempts: u32,
        reason: Reason,
    ) -> BoxFuture<'a, Result<(), LetGo>> {
        self.is_settling.store(true, Ordering::Relaxed);
        self.engine.recorder.note(Event::StepInDoubt {
            step: self.call.clone(),
            attempts,
            reason,
        });
        Box::pin(self.engine.recorder.write())
    }
}

/// The call of the step `S` at this position.
fn call<S: Step>(position: Position<'_>) -> StepCall {
    StepCall {
        name: S::META.name.into(),
        occurrence: u32::try_from(position.occurrence()).unwrap_or(u32::MAX),
        kind: S::META.kind,
    }
}

fn stopped_for<T, E>(why: Why<E>, settlement: Settlement<T>) -> StepEnd<T, E, LetGo> {
    StepEnd::Stopped(Box::new(Stopped { why, settlement }))
}

fn unrecordable(step: &StepCall, message: &str) -> LetGo {
    let message = format!("the output of step `{step}` can't be written down: {message}");
    LetGo::stuck("unrecordable", message)
}

/// Why a step was given up, as the body is told again.
fn why<S: Step>(reason: &Reason, errors: ErrorRecord<S::Error>) -> Result<Why<S::Error>, LetGo> {
    let whole = reason.error.as_deref().and_then(|text| errors.read(text));
    match whole {
        Some(Ok(error)) => Ok(Why::Error(error)),
        Some(Err(unread)) => Err(unreadable("error", S::META.name, &unread)),
        None => Ok(Why::Recorded {
            code: reason.code.to_string(),
            message: reason.message.clone(),
        }),
    }
}

/// The output of the step `S` that is written down.
fn read<S: Step>(output: &str) -> Result<S::Output, LetGo> {
    from_json(output).map_err(|unread| unreadable("output", S::META.name, &unread))
}

fn unreadable(what: &str, step: &str, error: &serde_json::Error) -> LetGo {
    let message =
        format!("the {what} of step `{step}` that is written down can't be read: {error}");
    LetGo::stuck("unreadable", message)
}

/// A value as JSON, if it is not longer than `limit` bytes. A panic of its own code is an error like any other.
pub(crate) fn to_json(value: &impl Payload, limit: usize) -> Result<String, String> {
    let write = || {
        let mut json = Vec::with_capacity(64);
        let written = value.write(&mut serde_json::Serializer::new(&mut json));
        written.map(|()| json).map_err(|error| error.to_string())
    };
    let json = catch_unwind(AssertUnwindSafe(write))
        .unwrap_or_else(|panic| Err(format!("panicked: {}", message(&*panic))))?;
    if json.len() > limit {
        return Err(format!("{} bytes, {limit} are allowed", json.len()));
    }
    String::from_utf8(json).map_err(|error| error.to_string())
}

/// The value that this JSON is. A panic of its own code is an error like any other.
pub(crate) fn from_json<T: Payload>(json: &str) -> serde_json::Result<T> {
    let read = || {
        let mut reader = serde_json::Deserializer::from_str(json);
        let value = T::read(&mut reader)?;
        reader.end()?;
        Ok(value)
    };
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|panic| {
        let message = format!("panicked: {}", message(&*panic));
        Err(serde::de::Error::custom(message))
    })
}
