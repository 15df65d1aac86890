//! One invocation of a saga: its journal, its clock, its doubt, and the control over it from outside.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use saga_runtime::CompensationFailure;
use saga_runtime::engine::{
    Calls, Control, Doubt, Instance, Interruption, Position, SagaEnd, WayBack,
};
use saga_runtime::journal::from_millis;
use saga_runtime::meta::{Policy, SagaMeta, StepMeta};

use crate::attempt_record::Beginning;
use crate::clock::{Clock, millis};
use crate::decision::Trouble;
use crate::entry_names;
use crate::form::Form;
use crate::journal::Journal;
use crate::lock::lock;
use crate::settings::Settings;

/// The reason why the saga can't go on in this process. Restate begins it again. The SDK logs the text, at the level `warn`, so it
/// quotes no value and no error of a step.
#[derive(Debug, Clone)]
pub struct Suspended(pub(crate) String);

/// The end of a saga on Restate.
pub type Ended<G> = SagaEnd<G, Suspended>;

/// One invocation of a saga on Restate. It is the engine of the saga, too: see `engine.rs`.
pub(crate) struct Invocation {
    pub(crate) instance: Instance,
    pub(crate) journal: Journal,
    pub(crate) settings: Arc<Settings>,
    pub(crate) form: Form,
    /// The doubt about the next call: an earlier process may have made it.
    pub(crate) doubt: Doubt,
    /// The policies of steps that say nothing.
    policy: Box<Policy>,
    deadline: Option<Duration>,
    began: Mutex<Option<SystemTime>>,
    pub(crate) clock: Arc<Clock>,
    interruption: Mutex<Option<Interruption>>,
    way_back: WayBack,
    /// The compensations that have ended too many processes, by the entries of their first attempts.
    pub(crate) blamed: Mutex<HashSet<String>>,
    /// The calls in doubt that could not be settled.
    pub(crate) unsettled: Mutex<HashSet<String>>,
    /// The compensations that have failed so far, by their calls.
    pub(crate) failing: Mutex<BTreeMap<String, Failing>>,
    pub(crate) decisions: Mutex<Decisions>,
    /// True if an operator has ended it as it is.
    pub(crate) is_abandoned: AtomicBool,
}

/// A compensation that has failed so far.
#[derive(Debug, Clone)]
pub(crate) struct Failing {
    pub(crate) failure: CompensationFailure,
    pub(crate) next: NextAttempt,
}

/// The next attempt of a compensation that has failed so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NextAttempt {
    /// When this timer has ended.
    After(u32),
    Due,
    /// When an operator says so. The attempts count anew then.
    IfDecided,
}

/// The decisions of operators about one saga.
#[derive(Debug, Default)]
pub(crate) struct Decisions {
    /// The number of the next one.
    pub(crate) next: u32,
    /// The promise of the next one, if it was asked for.
    pub(crate) promise: Option<u32>,
    /// The number of troubles that were told.
    pub(crate) told: u32,
    /// The trouble that operators see.
    pub(crate) trouble: Option<Trouble>,
}

impl Invocation {
    pub(crate) fn new(
        instance: Instance,
        journal: Journal,
        settings: Arc<Settings>,
        form: Form,
        saga: &SagaMeta,
        clock: Arc<Clock>,
    ) -> Self {
        Self {
            clock,
            instance,
            journal,
            settings,
            form,
            doubt: Doubt::new(true),
            policy: Box::new(saga.policy),
            deadline: saga.deadline,
            began: Mutex::new(None),
            interruption: Mutex::new(None),
            way_back: WayBack::open(),
            blamed: Mutex::default(),
            unsettled: Mutex::default(),
            failing: Mutex::default(),
            decisions: Mutex::default(),
            is_abandoned: AtomicBool::new(false),
        }
    }

    /// The step with the policies that hold for it.
    pub(crate) fn holding<'a>(&self, step: &'a StepMeta) -> Cow<'a, StepMeta> {
        self.settings.overrides.of(step, &self.policy)
    }

    /// The longest that an attempt of the step may take.
    pub(crate) fn limit(&self, step: &StepMeta) -> Duration {
        let own = self.holding(step).timeout;
        own.unwrap_or(self.settings.attempt_timeout)
    }

    /// Records the start of the saga. Without this record a replay can't tell if the first step was requested before.
    pub(crate) async fn record_start(&self) {
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
            self.clock.advance_to(began.at);
        }
        let began = began.map(|began| from_millis(began.at));
        *lock(&self.began) = began;
    }

    /// The saga is cancelled from outside.
    pub(crate) fn cancel(&self) {
        self.interrupt(Interruption::Cancelled);
        self.journal.cancel_waits();
    }

    pub(crate) fn interrupt(&self, interruption: Interruption) {
        lock(&self.interruption).get_or_insert(interruption);
    }

    /// The time until the deadline, as long as the deadline holds.
    pub(crate) fn time_to_deadline(&self) -> Option<Duration> {
        if self.way_back.is_closed() {
            return None;
        }
        let deadline = (*lock(&self.began))? + self.deadline?;
        Some(
            deadline
                .duration_since(SystemTime::now())
                .unwrap_or_default(),
        )
    }

    /// Returns true if the deadline has passed. The answer depends on the clock, so the caller records it.
    pub(crate) fn is_late(&self) -> bool {
        self.time_to_deadline().is_some_and(|left| left.is_zero())
    }

    /// Returns true if Restate has lost a process that ran this saga since the last entry was recorded.
    pub(crate) fn has_crashed(&self) -> bool {
        self.journal.exchange().retries() > 0
    }

    /// Lets Restate pause the saga: the step at `position` has ended its process too often.
    pub(crate) fn pause_for_operator(&self, position: Position<'_>) -> Suspended {
        self.journal.exchange().pause();
        let code = "max_recoveries";
        tracing::error!(target: "saga", { saga.id = %self.instance.id(), code }, "saga stuck");
        let step = position.name();
        Suspended(format!(
            "step `{step}` has ended its process too often: mend it, and resume the saga for one more attempt"
        ))
    }

    /// The doubt about the next of these calls: an earlier process may have made it.
    pub(crate) fn doubt<'a>(&'a self, calls: &'a dyn Calls) -> &'a Doubt {
        calls.doubt().unwrap_or(&self.doubt)
    }
}

/// Interruptions are recorded: an attempt that ended late, or a cancellation that Restate delivers in place of an
/// answer.
impl Control for Invocation {
    fn way_back(&self) -> &WayBack {
        &self.way_back
    }

    fn requested_stop(&self) -> Option<Interruption> {
        *lock(&self.interruption)
    }
}
