//! The engine: what a saga asks for is looked up in Restate's journal, or done and written down there.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use saga_runtime::engine::{
    AttemptResult, Calls, Compensate, Doubt, Engine, GiveUp, Group, Instance, Interruption,
    PendingStep, Position, SagaEnd, Settlement, StepEnd, Verdict, Wait, WaitEnd,
};
use saga_runtime::engine::{Origin, StepCompensator, compensate, pursue};
use saga_runtime::meta::StepMeta;
use saga_runtime::{CompensationOutcome, Kind, Saga};

use crate::attempt_record::Beginning;
use crate::attempts::Asker;
use crate::clock::{Clock, millis};
use crate::entry_names;
use crate::journal::Journal;
use crate::lock::lock;

/// The longest that an attempt may take that says nothing itself.
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(60);

/// Why the saga can't go on in this process; Restate begins it again.
#[derive(Debug, Clone)]
pub struct Suspended(pub(crate) String);

/// How a saga ended on Restate.
pub type Ended<G> = SagaEnd<G, Suspended>;

/// One saga on Restate.
pub(crate) struct Restate {
    instance: Instance,
    pub(crate) journal: Journal,
    /// Whether the next call may have been made by an earlier process.
    doubt: Doubt,
    deadline: Option<Duration>,
    began: Mutex<Option<SystemTime>>,
    pub(crate) clock: Arc<Clock>,
    interruption: Mutex<Option<Interruption>>,
    is_forward_only: AtomicBool,
    pub(crate) events: Mutex<HashMap<&'static str, Numbers>>,
}

/// The numbers of the events with one name that nobody waits for.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    pub(crate) next: u32,
    pub(crate) free: BTreeSet<u32>,
}

impl Restate {
    pub(crate) fn new(
        instance: Instance,
        journal: Journal,
        deadline: Option<Duration>,
        clock: Arc<Clock>,
    ) -> Self {
        Self {
            clock,
            instance,
            journal,
            doubt: Doubt::new(true),
            deadline,
            began: Mutex::new(None),
            interruption: Mutex::new(None),
            is_forward_only: AtomicBool::new(false),
            events: Mutex::default(),
        }
    }

    /// Writes down when the saga begins. Without this nobody knows whether its first step was requested before.
    pub(crate) async fn begin(&self) {
        let written = loop {
            let work = async {
                self.doubt.set(false);
                let beginning = Beginning { at: millis() };
                Ok(serde_json::to_vec(&beginning).expect("it is a number"))
            };
            let work = std::pin::pin!(work);
            match self.journal.run(entry_names::BEGINNING, None, work).await {
                Ok(written) => break written,
                Err(_) => self.cancel(),
            }
        };
        let began = serde_json::from_slice::<Beginning>(&written).ok();
        if let Some(began) = &began {
            self.clock.is(began.at);
        }
        let began = began.map(|began| SystemTime::UNIX_EPOCH + Duration::from_millis(began.at));
        *lock(&self.began) = began;
    }

    /// Somebody has cancelled the saga.
    pub(crate) fn cancel(&self) {
        self.interrupt(Interruption::Cancelled);
        self.journal.cancel_waits();
    }

    pub(crate) fn interrupt(&self, interruption: Interruption) {
        lock(&self.interruption).get_or_insert(interruption);
    }

    /// Why the saga has to stop, as long as it can.
    pub(crate) fn interruption(&self) -> Option<Interruption> {
        if self.is_forward_only() {
            return None;
        }
        *lock(&self.interruption)
    }

    pub(crate) fn is_forward_only(&self) -> bool {
        self.is_forward_only.load(Ordering::Relaxed)
    }

    /// After the pivot, or the first retriable step, nothing interrupts the saga.
    pub(crate) fn go_forward_only(&self) {
        self.is_forward_only.store(true, Ordering::Relaxed);
    }

    /// How long it is until the deadline, as long as it holds.
    pub(crate) fn left(&self) -> Option<Duration> {
        if self.is_forward_only() {
            return None;
        }
        let deadline = (*lock(&self.began))? + self.deadline?;
        Some(
            deadline
                .duration_since(SystemTime::now())
                .unwrap_or_default(),
        )
    }

    /// Whether the deadline has passed. It depends on the clock: what follows has to be written down.
    pub(crate) fn is_late(&self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }

    /// Whether the next of these calls may have been made by an earlier process.
    pub(crate) fn doubt<'a>(&'a self, calls: &'a dyn Calls) -> &'a Doubt {
        calls.doubt().unwrap_or(&self.doubt)
    }

    async fn pursue(&self, calls: &dyn Calls, step: &mut dyn PendingStep) -> StepEnd<Suspended> {
        if let Some(interruption) = self.interruption() {
            step.give_up(GiveUp::Interrupted(interruption));
            return StepEnd::Stopped(Settlement::Nothing);
        }
        let meta = step.meta();
        let position = Position::new(calls, meta, calls.count());
        let asker = Asker::new(self, self.doubt(calls), calls.doubt().is_some());
        let (end, _) = pursue(step, Origin::Request, position, &asker).await;
        let StepEnd::Done = end else {
            return end;
        };
        if let Some(message) = asker.unrecordable() {
            step.give_up(GiveUp::Unrecordable { message });
            return StepEnd::Stopped(Settlement::Done);
        }
        if matches!(meta.kind, Kind::Pivot | Kind::Retriable) {
            self.go_forward_only();
        }
        match self.interruption() {
            None => StepEnd::Done,
            // The saga was stopped during the attempt: what that has done is undone with the rest.
            Some(interruption) => {
                step.give_up(GiveUp::Interrupted(interruption));
                StepEnd::Stopped(Settlement::Done)
            }
        }
    }
}

impl Engine for Restate {
    type Suspension = Suspended;
    type End<G: Saga> = Ended<G>;

    fn instance(&self) -> &Instance {
        &self.instance
    }

    fn end<G: Saga>(&self, end: Ended<G>) -> Ended<G> {
        end
    }

    async fn step<'a>(
        &'a self,
        calls: &'a dyn Calls,
        step: &'a mut dyn PendingStep,
        _: Option<Verdict>,
    ) -> StepEnd<Suspended> {
        self.pursue(calls, step).await
    }

    async fn wait<'a>(
        &'a self,
        calls: &'a dyn Calls,
        _: &'static StepMeta,
        wait: Wait,
    ) -> WaitEnd<Suspended> {
        let _ = calls;
        self.wait_until_over(wait).await
    }

    fn begin_group(&self, group: &Group<'_>) -> Result<(), Suspended> {
        let in_doubt = self.doubt(group.before()).get();
        for member in group.members() {
            member.doubt().set(in_doubt);
        }
        Ok(())
    }

    fn end_group(&self, group: &Group<'_>, _: bool) {
        // If nothing had to be requested, then what comes next may have been.
        let in_doubt = group.members().iter().all(|member| member.doubt().get());
        self.doubt(group.before()).set(in_doubt);
    }

    async fn compensate<'a>(
        &'a self,
        position: Position<'a>,
        step: &'a dyn Compensate,
        _: Option<AttemptResult<(), String>>,
    ) -> Result<CompensationOutcome, Suspended> {
        let around = Asker::new(self, &self.doubt, true);
        let compensator = &mut StepCompensator(step);
        let (_, undone) = Box::pin(compensate(compensator, position, None, &around)).await?;
        Ok(undone.into())
    }
}
