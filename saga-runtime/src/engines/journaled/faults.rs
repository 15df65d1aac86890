//! Faults that a test injects into the attempts of steps and compensations. The code of the user runs as it is.

use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::time::Duration;

use crate::attempts::{
    BoxFuture, Compensate, Compensator, GiveUp, PendingStep, StepCompensator, Verdict,
};
use crate::engines::control::LocalControl;
use crate::error::Reason;
use crate::journal::StepCall;
use crate::meta::StepMeta;
use crate::place::{Context, Place, Role};

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
}

/// The moment of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Moment {
    /// The request has had no effect.
    Before,
    /// The effect has happened.
    After,
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
}

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
        let verdict = self.step.attempt(place, limit).await;
        let reason = || self.step.reason().message;
        let ended = match verdict {
            Verdict::Done => Ended::Done,
            Verdict::Refused { .. } => Ended::Refused(reason()),
            Verdict::InDoubt { .. } => Ended::Open(reason()),
        };
        self.faults.end(asking, ended);
        verdict
    }

    /// Refuses in place of the step.
    fn refuse(&mut self, asking: &Asking<'_>) -> bool {
        let refusal = self.faults.refusal(asking);
        if self.step.is_handled() {
            let read = refusal.map(|json| self.step.read_error(&json));
            if !matches!(read, Some(Ok(true))) {
                self.faults.leave_out(format!(
                    "the body handles an error of `{}`: give one with `refusal`",
                    asking.meta.name
                ));
                return false;
            }
        } else if !matches!(
            refusal.map(|json| self.step.read_error(&json)),
            Some(Ok(true))
        ) {
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
            Fault::TimedOut(_) | Fault::Panicked(_) | Fault::Crash(_) | Fault::Twice => {}
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
            Fault::Crash(_) => {
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
            Fault::Refused | Fault::Cancelled | Fault::Deadline => verdict,
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
            Some(Fault::Crash(_)) => {
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
    let undone = compensator.compensate(place).await;
    let ended = match &undone {
        Ok(()) => Ended::Done,
        Err(error) => Ended::Open(error.clone()),
    };
    faults.end(asking, ended);
    undone
}
