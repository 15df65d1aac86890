//! A saga in a list: what it is, how it stands, and its trouble if it has one.

use serde::{Deserialize, Serialize};

use crate::call_name;
use crate::journal::history::ReplayState;
use crate::journal::{Entry, Event, Record, Setback, State, to_millis};

/// A part of a list of sagas, the newest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SagaList {
    /// The sagas.
    pub sagas: Vec<SagaSummary>,
    /// The beginning of the next page, if there is one: [`SagaQuery::after`](crate::operator::SagaQuery::after).
    pub next: Option<u64>,
}

/// A saga in a list. Times are milliseconds since 1970.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SagaSummary {
    /// Its id.
    pub id: String,
    /// The durable name of its definition.
    pub name: String,
    /// The version of its definition.
    pub version: u32,
    /// The name of its [`State`].
    pub state: String,
    /// Why it does not go on, in words: its [`Condition`](crate::journal::Condition). `waiting for an event`, for example.
    #[serde(default)]
    pub condition: String,
    /// The operator's reason, if its definition is paused.
    #[serde(default)]
    pub paused: Option<String>,
    /// When it was started.
    pub started_at: u64,
    /// When its last entry was written.
    pub changed_at: u64,
    /// The worker that holds it.
    pub worker: Option<String>,
    /// The reason of a cancellation that was asked for.
    pub cancellation: Option<String>,
    /// Why it does not go on, or goes back.
    pub trouble: Option<Trouble>,
}

/// Why a saga is stuck, fails or is undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Trouble {
    /// The calls of steps that are in doubt, or fail, or have failed.
    pub steps: Vec<String>,
    /// The code of the reason.
    pub code: String,
    /// The reason, a sentence.
    pub message: String,
    /// The number of attempts, if a step fails and is attempted again.
    pub attempts: Option<u32>,
    /// The time of the next attempt, in milliseconds since 1970.
    pub next_attempt: Option<u64>,
}

impl SagaSummary {
    pub(super) fn new(record: &Record, trouble: Option<Trouble>) -> Self {
        Self {
            id: record.saga.id.as_str().to_owned(),
            name: record.saga.name.clone(),
            version: record.saga.version,
            state: record.state.name().to_owned(),
            condition: record.condition().to_string(),
            paused: record.pause.as_ref().map(|pause| pause.reason.clone()),
            started_at: to_millis(record.started_at),
            changed_at: to_millis(record.changed_at),
            worker: record.worker.as_ref().map(ToString::to_string),
            cancellation: record.cancellation.as_ref().map(|wish| wish.reason.clone()),
            trouble,
        }
    }

    /// Its state.
    #[must_use]
    pub fn state(&self) -> Option<State> {
        self.state.parse().ok()
    }
}

impl Trouble {
    /// The steps that fail, as a record tells without the history.
    pub(super) fn failing(record: &Record) -> Option<Self> {
        let first = record.failing.first()?;
        Some(Self {
            steps: record
                .failing
                .iter()
                .map(|one| one.call.to_string())
                .collect(),
            code: first.reason.code.to_string(),
            message: first.reason.message.clone(),
            attempts: Some(first.attempts),
            next_attempt: Some(to_millis(first.until)),
        })
    }

    /// The reason why a saga is stuck or undone, as a record tells without the history. Of a stuck saga, the steps are missing.
    pub(super) fn undone(record: &Record) -> Option<Self> {
        let Setback { call, reason } = &**record.setback.as_ref()?;
        Some(Self {
            steps: call.iter().cloned().collect(),
            code: reason.code.to_string(),
            message: reason.message.clone(),
            attempts: None,
            next_attempt: None,
        })
    }

    /// The trouble of a saga with these entries.
    pub(super) fn of(record: &Record, entries: &[Entry], history: &ReplayState) -> Option<Self> {
        if let Some(failing) = Self::failing(record) {
            return Some(failing);
        }
        let steps = match record.state {
            State::Stuck => history.troubled().map(ToString::to_string).collect(),
            _ => Vec::new(),
        };
        entries.iter().rev().find_map(|entry| {
            let (reason, steps) = match &entry.event {
                Event::Stuck { reason } if record.state == State::Stuck => (reason, steps.clone()),
                Event::Compensating { step, reason } => {
                    (reason, step.iter().map(ToString::to_string).collect())
                }
                _ => return None,
            };
            Some(Self {
                steps,
                code: reason.code.to_string(),
                message: reason.message.clone(),
                attempts: None,
                next_attempt: None,
            })
        })
    }

    /// Returns whether one of the calls is of this step.
    pub(super) fn is_at(&self, step: &str) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|call| call == step || call_name::split(call).0 == step)
    }
}
