//! The record of a saga, beside its entries: its start, its holder, its state.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::error::Reason;
use crate::escaped::Escaped;
use crate::id::SagaId;
use crate::journal::error::Damage;
use crate::journal::event::{Event, StepCall};
use crate::journal::history::ReplayState;
use crate::journal::{Pause, Wakeup};
use crate::meta::AttemptPhase;
use crate::trace::TraceContext;

/// A saga that is about to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSaga {
    /// Its id.
    pub id: SagaId,
    /// The durable name of its definition.
    pub name: String,
    /// The version of its definition.
    pub version: u32,
    /// The fingerprint of its definition: see [`Shape::fingerprint`](crate::Shape::fingerprint).
    pub fingerprint: u64,
    /// Its input, as JSON.
    pub input: String,
    /// The trace context of the span that submitted it, if there is one.
    pub trace: Option<TraceContext>,
}

/// One version of a saga's definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SagaVersion {
    /// The durable name of the saga.
    pub name: &'static str,
    /// The version: `#[saga(version = 2)]`. Without that it is 1.
    pub version: u32,
}

impl SagaVersion {
    /// This version of this saga.
    #[must_use]
    pub const fn new(name: &'static str, version: u32) -> Self {
        Self { name, version }
    }

    /// Returns whether a recorded saga is of this version.
    #[must_use]
    pub fn is_of(&self, saga: &NewSaga) -> bool {
        self.version == saga.version && self.name == saga.name
    }
}

/// The start of a saga, its holder and its state.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// Its id, its definition and its input.
    pub saga: NewSaga,
    /// When it was started.
    pub started_at: SystemTime,
    /// When its last entry was written; when it was started, if there is none.
    pub changed_at: SystemTime,
    /// In which state it is.
    pub state: State,
    /// The number of its claims.
    pub epoch: u64,
    /// The worker that holds it, with a lease that may have run out.
    pub worker: Option<Worker>,
    /// The wish to cancel the saga, if there is one.
    pub cancellation: Option<Cancellation>,
    /// The steps whose attempts fail, and that are attempted again: the one that fails the longest first. Empty once the saga
    /// has ended or is stuck, and while it tries a step for the first time.
    pub failing: Vec<FailingStep>,
    /// Why the saga is stuck or undone, where a list looks for [trouble](crate::journal::TroubleFilter) and no step fails. Empty elsewhere.
    pub setback: Option<Box<Setback>>,
    /// The pause of its definition, where an operator lists or inspects it. Journals leave it empty.
    pub pause: Option<Pause>,
    /// When it can be claimed, if no worker holds it.
    pub rest: Wakeup,
    /// The wait at which it rests, if it does: `sleep`, `event:approved`, `pack/event:approved` in the called saga `pack`.
    pub rests_at: Option<String>,
    /// True if the reader can run it: its name and version are registered. `None` if the reader runs no sagas, as an
    /// [`Inspector`](crate::coordinator::Inspector).
    pub is_registered: Option<bool>,
    /// The code with which it will be stuck when it wakes, because it does not fit its definition. `None` if the reader has found
    /// no misfit, or does not look for any.
    pub misfit: Option<Cow<'static, str>>,
    /// The reason why the record can't be read, or not trusted; the other fields are what could be read. Such a saga is set
    /// aside like one whose entries are damaged.
    pub damage: Option<Damage>,
}

impl Record {
    /// The record of a saga that was just started and has no holder.
    #[must_use]
    pub fn new(saga: NewSaga, started_at: SystemTime) -> Self {
        Self {
            saga,
            started_at,
            changed_at: started_at,
            state: State::Waiting,
            epoch: 0,
            worker: None,
            cancellation: None,
            failing: Vec::new(),
            setback: None,
            pause: None,
            rest: Wakeup::Now,
            rests_at: None,
            is_registered: None,
            misfit: None,
            damage: None,
        }
    }

    /// Finds the [failing](Self::failing) steps of the saga in its entries. Entries that can't be read have none.
    pub fn find_failing(&mut self, entries: &[Entry]) {
        self.failing.clear();
        let is_failing = |entry: &Entry| matches!(entry.event, Event::Failing { .. });
        let is_open = !self.state.is_final() && self.state != State::Stuck;
        if is_open
            && entries.iter().any(is_failing)
            && let Ok(history) = ReplayState::new(entries)
        {
            self.failing = history.failing_steps();
        }
    }

    /// Finds the [setback](Self::setback) in these entries of the saga. The last entry that tells it is enough.
    pub fn find_setback(&mut self, entries: &[Entry]) {
        if !self.failing.is_empty() {
            return;
        }
        let told = entries.iter().rev().find_map(|entry| match &entry.event {
            Event::Stuck { reason } if self.state == State::Stuck => Some((None, reason)),
            Event::Compensating { step, reason } => Some((step.as_deref(), reason)),
            _ => None,
        });
        self.setback = told.map(|(call, reason)| {
            Box::new(Setback {
                call: call.map(ToOwned::to_owned),
                reason: reason.clone(),
            })
        });
    }

    /// Says more about the state of a saga that has not ended: why it does not go on.
    #[must_use]
    pub fn condition(&self) -> Condition {
        let attempt = self.failing.iter().map(|failing| failing.until).min();
        let call = self.rests_at.as_deref().unwrap_or_default();
        let awaits_event = call
            .rsplit('/')
            .next()
            .is_some_and(|call| call.starts_with("event:"));
        match (self.state, self.rest) {
            (state, _) if state.is_final() => Condition::Ended,
            (State::Stuck, _) => Condition::Stuck,
            _ if self.is_registered == Some(false) => Condition::Unregistered,
            (State::Waiting, _) if self.misfit.is_some() => Condition::Misfit,
            (state, rest) => match (attempt, rest) {
                (Some(attempt), _) => Condition::AwaitsAttempt(attempt),
                _ if state != State::Waiting => Condition::Running,
                (None, Wakeup::Now) => Condition::Queued,
                (None, Wakeup::At(time)) if !awaits_event => Condition::AwaitsTime(time),
                (None, Wakeup::At(_) | Wakeup::WhenCalled) => Condition::AwaitsEvent,
            },
        }
    }
}

/// A step whose attempts fail, and that is attempted again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailingStep {
    /// The call.
    pub call: StepCall,
    /// The phase of the attempts: forward, or to undo the step.
    pub phase: AttemptPhase,
    /// The number of attempts so far.
    pub attempts: u32,
    /// The error of the last attempt. Its text is cut at [`Event::MAX_TEXT`] bytes.
    pub reason: Reason,
    /// The time of the first failure of this phase.
    pub since: SystemTime,
    /// The time of the next attempt.
    pub until: SystemTime,
}

/// The reason why a saga goes on, or does not: see [`Record::condition`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Condition {
    /// A worker runs it, or did so a while ago: its lease may have run out.
    Running,
    /// It can go on, and waits for a worker with a free slot.
    Queued,
    /// It waits for an event.
    AwaitsEvent,
    /// It sleeps until then, or its turn comes then.
    AwaitsTime(SystemTime),
    /// A step has failed, and is attempted again then.
    AwaitsAttempt(SystemTime),
    /// Its name or its version is not registered here.
    Unregistered,
    /// It does not fit its definition: it will be stuck when it wakes.
    Misfit,
    /// It can't go on by itself.
    Stuck,
    /// Nothing will change any more.
    Ended,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Running => "running",
            Self::Queued => "queued",
            Self::AwaitsEvent => "waiting for an event",
            Self::AwaitsTime(_) => "waiting for a time",
            Self::AwaitsAttempt(_) => "failing",
            Self::Unregistered => "unregistered",
            Self::Misfit => "misfit",
            Self::Stuck => "stuck",
            Self::Ended => "ended",
        })
    }
}

/// A wish to have a saga cancelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancellation {
    /// The reason.
    pub reason: String,
    /// Since when.
    pub at: SystemTime,
}

/// In which state a saga is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// It is recorded and can be claimed.
    Waiting,
    /// It goes forward. A part of it may be undone meanwhile, if its body handles the failure of that part.
    Running,
    /// It is undone.
    Compensating,
    /// It can't go on by itself.
    Stuck,
    /// It has completed.
    Completed,
    /// It has failed, and what was done is undone.
    Compensated,
    /// An operator has ended it. Its last entry says for ever which effects are not undone.
    Abandoned,
}

impl State {
    /// All states.
    pub const ALL: [Self; 7] = [
        Self::Waiting,
        Self::Running,
        Self::Compensating,
        Self::Stuck,
        Self::Completed,
        Self::Compensated,
        Self::Abandoned,
    ];

    /// Returns whether nothing will change any more.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Compensated | Self::Abandoned)
    }

    /// The state after an event, if the event changes it.
    #[must_use]
    pub fn after(self, event: &Event) -> Self {
        match event {
            Event::Completed { .. } => Self::Completed,
            Event::Compensated => Self::Compensated,
            Event::Abandoned { .. } => Self::Abandoned,
            Event::Stuck { .. } => Self::Stuck,
            // The body has gone on after a part was undone.
            Event::Failing {
                phase: AttemptPhase::Forward,
                ..
            } => Self::Running,
            // A step in doubt may be settled after the others are undone.
            Event::StepSettled { .. } | Event::Failing { .. } if self == Self::Compensating => self,
            Event::Compensating { .. }
            | Event::CompensationDone { .. }
            | Event::CompensationFailed { .. } => Self::Compensating,
            Event::StepDone { .. }
            | Event::StepRefused { .. }
            | Event::StepInDoubt { .. }
            | Event::StepSettled { .. }
            | Event::Waiting { .. }
            | Event::WaitOver { .. }
            | Event::Value { .. }
            | Event::Retried { .. } => Self::Running,
            Event::Failing { phase, .. } => match phase {
                AttemptPhase::Compensating => Self::Compensating,
                _ => Self::Running,
            },
            Event::Received { .. }
            | Event::EventSetAside { .. }
            | Event::CompensationResolved { .. }
            | Event::CompensationSkipped { .. }
            | Event::StepCompleted { .. } => self,
        }
    }

    /// The state of a saga that is held, has not ended and is not stuck: which way it goes by its entries.
    #[must_use]
    pub fn of_held(entries: &[Entry]) -> Self {
        let is_decision = |entry: &Entry| matches!(entry.event, Event::Compensating { .. });
        if entries.iter().any(is_decision) {
            Self::Compensating
        } else {
            Self::Running
        }
    }

    /// The name of the state, as commands and journals have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Compensating => "compensating",
            Self::Stuck => "stuck",
            Self::Completed => "completed",
            Self::Compensated => "compensated",
            Self::Abandoned => "abandoned",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl std::str::FromStr for State {
    type Err = UnknownState;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let state = Self::ALL.into_iter().find(|state| state.name() == name);
        state.ok_or_else(|| UnknownState(name.to_owned()))
    }
}

/// A text that names no [`State`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` is no state of a saga: waiting, running, compensating, stuck, completed, compensated, abandoned",
    Escaped(.0)
)]
pub struct UnknownState(String);

/// The right to write to a saga, until another worker claims it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The saga.
    pub id: SagaId,
    /// The number of the claim, counted from 1.
    pub epoch: u64,
}

/// The name of a process that runs sagas.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Worker(Arc<str>);

impl Worker {
    /// A worker with this name, which no other worker has.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// A worker that no other has the name of: `label`, and what makes it unique.
    #[must_use]
    pub fn generate(label: &str) -> Self {
        let name = format!("{label}/{}", SagaId::generate());
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&Escaped(&self.0).to_string())
    }
}

/// Why a saga is stuck or undone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setback {
    /// The call whose failure has begun the compensation, if it was one of a step: `charge`, or `charge#1`. Of a stuck saga, its entries
    /// tell the calls.
    pub call: Option<String>,
    /// The reason.
    pub reason: Reason,
}

/// One entry of a saga's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number in the saga, counted from 1.
    pub seq: u64,
    /// When it was written.
    pub at: SystemTime,
    /// The event.
    pub event: Event,
}

/// A saga with its entries.
#[derive(Debug, Clone)]
pub struct History {
    /// Its record.
    pub record: Record,
    /// Its entries, or the damage that keeps them from being read.
    pub entries: Result<Vec<Entry>, Damage>,
}
