//! Faults that a test injects into the attempts of steps and compensations. The code of the user runs as it is.

use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use crate::attempts::{
    BoxFuture, Compensate, Compensator, GiveUp, PendingStep, StepCompensator, Verdict,
};
use crate::call_name;
use crate::engines::control::LocalControl;
use crate::engines::journaled::call;
use crate::error::Reason;
use crate::journal::StepCall;
use crate::meta::StepMeta;
use crate::place::{Context, Group, Place, Role};

/// A fault of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Fault {
    /// Nothing happens, and the answer is an error.
    Refused,
    /// The answer does not come in time.
    TimedOut(Moment),
    /// The code panics.
    Panicked(Moment),
    /// The process ends.
    Crash(Moment),
    /// The saga is cancelled during the attempt.
    Cancelled,
    /// The deadline of the saga passes during the attempt.
    Deadline,
    /// The request arrives twice.
    Twice,
    /// The event that a wait is for arrives otherwise. No attempt has this fault.
    Arrives(Arrival),
}

/// The way in which an event arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Arrival {
    /// Before the saga waits for it.
    Before,
    /// Two times.
    Twice,
    /// Not at all.
    Never,
    /// A value of another type arrives, and then the right one.
    OtherType,
}

/// The moment of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Moment {
    /// The request has had no effect.
    Before,
    /// The effect has happened.
    After,
    /// The outcome is recorded.
    Recorded,
}

/// An attempt that begins.
pub(crate) struct Asking<'a> {
    pub(crate) call: &'a StepCall,
    pub(crate) meta: &'static StepMeta,
    pub(crate) is_undoing: bool,
    /// The code is the resolver of the step.
    pub(crate) is_resolving: bool,
    pub(crate) key: String,
}

/// The end of an attempt, as far as the code of the user knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It has answered `Ok`.
    Done,
    /// It has answered `Err`, of a step after which nothing has happened.
    Refused(String),
    /// Its effect is open: an error in doubt, a timeout, a panic.
    Open(String),
    /// It was not run.
    NotRun,
}

/// A member of a group: a call of a step, or all calls of a sub-saga.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MemberPath {
    path: String,
    is_saga: bool,
}

impl MemberPath {
    /// Returns true if the call is made by this member.
    pub(crate) fn has(&self, call: &str) -> bool {
        let rest = call.strip_prefix(&*self.path);
        rest.is_some_and(|rest| rest.is_empty() || (self.is_saga && rest.starts_with('/')))
    }
}

/// The members of a group.
pub(super) fn members(group: &Group<'_>) -> Vec<MemberPath> {
    let members = group.members().iter().zip(group.positions());
    let members = members.map(|(member, position)| {
        let is_saga = member.is_saga();
        let path = if is_saga {
            call_name::numbered(position.name(), position.occurrence()).into_owned()
        } else {
            call(position).to_string()
        };
        MemberPath { path, is_saga }
    });
    members.collect()
}

/// The source of the faults of a test, which hears of every attempt.
pub(crate) trait Faults: Send + Sync + fmt::Debug {
    /// An attempt begins. Returns its fault.
    fn begin(&self, asking: &Asking<'_>) -> Option<Fault>;

    /// An attempt has ended.
    fn end(&self, asking: &Asking<'_>, ended: Ended);

    /// Two requests under one key have got these answers, as JSON.
    fn answered_twice(&self, asking: &Asking<'_>, first: &str, second: &str);

    /// The error, as JSON, with which this step refuses where the body handles its errors.
    fn refusal(&self, asking: &Asking<'_>) -> Option<String>;

    /// The fault is not possible here.
    fn leave_out(&self, why: String);

    /// The process ends.
    fn crash(&self);

    /// A group of calls that run at the same time begins.
    fn begin_group(&self, members: Vec<MemberPath>);

    /// The turns in which attempts run: one at a time, so that a case is the same each time.
    fn turns(&self) -> &tokio::sync::Mutex<()>;

    /// The code of the user waits: from now on the time of the test passes as outside of it.
    fn begins_to_wait(&self);

    /// The code of the user waits no longer.
    fn has_waited(&self);
}

pin_project_lite::pin_project! {
    /// An attempt of the code of the user. While it waits for something outside of the test, such as a database, the
    /// time of the test does not jump.
    struct InTime<'a, F> {
        #[pin]
        attempt: F,
        waiting: Waiting<'a>,
    }
}

/// The state of an attempt that may wait.
struct Waiting<'a> {
    faults: &'a dyn Faults,
    has_begun: bool,
}

impl Waiting<'_> {
    fn begin(&mut self) {
        if !self.has_begun {
            self.has_begun = true;
            self.faults.begins_to_wait();
        }
    }

    fn end(&mut self) {
        if self.has_begun {
            self.has_begun = false;
            self.faults.has_waited();
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

impl<F: Future> Future for InTime<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<F::Output> {
        let this = self.project();
        let polled = this.attempt.poll(task);
        if polled.is_pending() {
            this.waiting.begin();
        }
        let output = ready!(polled);
        this.waiting.end();
        Poll::Ready(output)
    }
}

/// Runs an attempt of the code of the user, in whose waits the time of the test does not jump.
fn in_time<F: Future>(faults: &dyn Faults, attempt: F) -> InTime<'_, F> {
    let waiting = Waiting {
        faults,
        has_begun: false,
    };
    InTime { attempt, waiting }
}

/// Waits for the turn of an attempt.
async fn turn(faults: &dyn Faults) -> tokio::sync::MutexGuard<'_, ()> {
    // All members of a group begin before the first of them is done, however fast it is.
    tokio::task::yield_now().await;
    faults.turns().lock().await
}

/// The error of a step whose error is a text, as JSON.
const REFUSED: &str = "\"refused by the test\"";

/// The largest output that two answers are compared by, in bytes of JSON.
const COMPARED: usize = 1024 * 1024;

/// A step whose attempts have faults.
pub(super) struct FaultyStep<'a> {
    step: &'a mut dyn PendingStep,
    call: StepCall,
    faults: &'a dyn Faults,
    control: &'a LocalControl,
}

impl<'a> FaultyStep<'a> {
    pub(super) fn new(
        step: &'a mut dyn PendingStep,
        call: StepCall,
        faults: &'a dyn Faults,
        control: &'a LocalControl,
    ) -> Self {
        Self {
            step,
            call,
            faults,
            control,
        }
    }

    /// Runs the code of the user once.
    async fn run(
        &mut self,
        asking: &Asking<'_>,
        place: &dyn Place,
        limit: Option<Duration>,
    ) -> Verdict {
        let turn = turn(self.faults).await;
        let verdict = in_time(self.faults, self.step.attempt(place, limit)).await;
        let reason = || self.step.reason().message;
        let ended = match verdict {
            Verdict::Done => Ended::Done,
            Verdict::Refused { .. } => Ended::Refused(reason()),
            Verdict::InDoubt { .. } => Ended::Open(reason()),
        };
        self.faults.end(asking, ended);
        drop(turn);
        verdict
    }

    /// Refuses in place of the step.
    fn refuse(&mut self, asking: &Asking<'_>) -> bool {
        let refusal = self.faults.refusal(asking);
        let read = self.step.read_error(refusal.as_deref().unwrap_or(REFUSED));
        if self.step.is_handled() {
            if !matches!(read, Ok(true)) {
                self.faults.leave_out(format!(
                    "the body handles an error of `{}`: give one with `refusal`",
                    asking.meta.name
                ));
                return false;
            }
        } else if !matches!(read, Ok(true)) {
            self.step.give_up(GiveUp::Recorded {
                code: "error".to_owned(),
                message: "refused by the test".to_owned(),
            });
        }
        true
    }

    async fn attempt_with(
        &mut self,
        asking: &Asking<'_>,
        fault: Fault,
        place: &dyn Place,
        limit: Option<Duration>,
    ) -> Verdict {
        let refused = Verdict::Refused { transient: false };
        let after = limit.unwrap_or_default();
        match fault {
            Fault::Refused => {
                if self.refuse(asking) {
                    self.faults.end(asking, Ended::NotRun);
                    return refused;
                }
            }
            Fault::TimedOut(Moment::Before) => {
                self.faults.end(asking, Ended::NotRun);
                self.step.give_up(GiveUp::TimedOut { after });
                return Verdict::NONE;
            }
            Fault::Panicked(Moment::Before) => {
                self.faults.end(asking, Ended::NotRun);
                self.step.give_up(panicked());
                return Verdict::NONE;
            }
            Fault::Crash(Moment::Before) => {
                self.faults.end(asking, Ended::NotRun);
                self.faults.crash();
                pending::<()>().await;
            }
            Fault::Cancelled => {
                self.control.cancel();
            }
            Fault::Deadline => match self.control.time_to_deadline() {
                Some(left) => tokio::time::sleep(left).await,
                None => self.faults.leave_out("the saga has no deadline".to_owned()),
            },
            Fault::TimedOut(_)
            | Fault::Panicked(_)
            | Fault::Crash(_)
            | Fault::Twice
            | Fault::Arrives(_) => {}
        }
        let verdict = self.run(asking, place, limit).await;
        if verdict != Verdict::Done {
            return verdict;
        }
        match fault {
            Fault::TimedOut(_) => {
                self.step.give_up(GiveUp::TimedOut { after });
                Verdict::NONE
            }
            Fault::Panicked(_) => {
                self.step.give_up(panicked());
                Verdict::NONE
            }
            Fault::Crash(Moment::After) => {
                self.faults.crash();
                pending().await
            }
            Fault::Twice => {
                let first = self.step.write_output(COMPARED);
                let verdict = self.run(asking, place, limit).await;
                if let (Verdict::Done, Ok(first)) = (verdict, first)
                    && let Ok(second) = self.step.write_output(COMPARED)
                {
                    self.faults.answered_twice(asking, &first, &second);
                }
                verdict
            }
            // After the record its process ends in the journal.
            Fault::Crash(_)
            | Fault::Refused
            | Fault::Cancelled
            | Fault::Deadline
            | Fault::Arrives(_) => verdict,
        }
    }
}

fn panicked() -> GiveUp<Infallible> {
    GiveUp::Panicked {
        message: "by the test".to_owned(),
    }
}

impl<'a> Asking<'a> {
    fn new(call: &'a StepCall, meta: &'static StepMeta, place: &dyn Place) -> Self {
        Self {
            call,
            meta,
            is_undoing: place.role() == Role::Compensation,
            is_resolving: false,
            key: Context::at(&(), place).idempotency_key().to_string(),
        }
    }
}

impl PendingStep for FaultyStep<'_> {
    fn meta(&self) -> &'static StepMeta {
        self.step.meta()
    }

    fn attempt<'b>(
        &'b mut self,
        place: &'b dyn Place,
        limit: Option<Duration>,
    ) -> BoxFuture<'b, Verdict> {
        Box::pin(async move {
            let call = self.call.clone();
            let asking = Asking::new(&call, self.step.meta(), place);
            match self.faults.begin(&asking) {
                None => self.run(&asking, place, limit).await,
                Some(fault) => self.attempt_with(&asking, fault, place, limit).await,
            }
        })
    }

    fn resolver(&mut self) -> &mut dyn Compensator {
        self
    }

    fn give_up(&mut self, why: GiveUp<Infallible>) {
        self.step.give_up(why);
    }

    fn given_up(&self) -> Option<GiveUp<Reason>> {
        self.step.given_up()
    }

    fn reason(&self) -> Reason {
        self.step.reason()
    }

    fn has_refused(&self) -> bool {
        self.step.has_refused()
    }

    fn is_interrupted(&self) -> bool {
        self.step.is_interrupted()
    }

    fn write_output(&mut self, limit: usize) -> Result<String, String> {
        self.step.write_output(limit)
    }

    fn check_output(&self) -> Result<(), String> {
        self.step.check_output()
    }

    fn inputs(&self) -> Option<u64> {
        self.step.inputs()
    }

    fn read_output(&mut self, json: &str) -> serde_json::Result<()> {
        self.step.read_output(json)
    }

    fn check_error(&mut self) -> Result<(), String> {
        self.step.check_error()
    }

    fn read_error(&mut self, json: &str) -> serde_json::Result<bool> {
        self.step.read_error(json)
    }

    fn is_handled(&self) -> bool {
        self.step.is_handled()
    }
}

/// The resolver.
impl Compensator for FaultyStep<'_> {
    fn compensate<'b>(&'b mut self, place: &'b dyn Place) -> BoxFuture<'b, Result<(), String>> {
        Box::pin(async move {
            let asking = Asking {
                is_resolving: true,
                ..Asking::new(&self.call, self.step.meta(), place)
            };
            undo(self.faults, &asking, self.step.resolver(), place).await
        })
    }
}

/// A compensation whose attempts have faults.
pub(super) struct FaultyCompensation<'a> {
    pub(super) step: &'a dyn Compensate,
    pub(super) call: StepCall,
    pub(super) meta: &'static StepMeta,
    pub(super) faults: &'a dyn Faults,
}

impl Compensate for FaultyCompensation<'_> {
    fn compensate<'a>(&'a self, place: &'a dyn Place) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let asking = Asking::new(&self.call, self.meta, place);
            let compensator = &mut StepCompensator(self.step);
            undo(self.faults, &asking, compensator, place).await
        })
    }
}

/// Makes one attempt of a compensation or a resolver, with its fault.
async fn undo(
    faults: &dyn Faults,
    asking: &Asking<'_>,
    compensator: &mut dyn Compensator,
    place: &dyn Place,
) -> Result<(), String> {
    let fault = faults.begin(asking);
    match fault {
        Some(
            Fault::Refused | Fault::TimedOut(Moment::Before) | Fault::Panicked(Moment::Before),
        ) => {
            faults.end(asking, Ended::NotRun);
            return Err("refused by the test".to_owned());
        }
        Some(Fault::Crash(Moment::Before)) => {
            faults.end(asking, Ended::NotRun);
            faults.crash();
            pending::<()>().await;
        }
        _ => {}
    }
    let mut undone = undo_once(faults, asking, compensator, place).await;
    if undone.is_ok() {
        match fault {
            Some(Fault::Twice) => {
                undone = undo_once(faults, asking, compensator, place).await;
            }
            Some(Fault::Crash(Moment::After)) => {
                faults.crash();
                pending::<()>().await;
            }
            Some(Fault::TimedOut(_) | Fault::Panicked(_)) => {
                return Err("its answer was lost by the test".to_owned());
            }
            _ => {}
        }
    }
    undone
}

async fn undo_once(
    faults: &dyn Faults,
    asking: &Asking<'_>,
    compensator: &mut dyn Compensator,
    place: &dyn Place,
) -> Result<(), String> {
    let turn = turn(faults).await;
    let undone = in_time(faults, compensator.compensate(place)).await;
    let ended = match &undone {
        Ok(()) => Ended::Done,
        Err(error) => Ended::Open(error.clone()),
    };
    faults.end(asking, ended);
    drop(turn);
    undone
}
