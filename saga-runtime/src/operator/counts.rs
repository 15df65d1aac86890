//! How many sagas there are, and how they stand.

use serde::{Deserialize, Serialize};

use crate::journal::{Tally, WorkerTally, to_millis};

/// The numbers of sagas.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SagaCounts {
    /// The sagas that have not ended, by name, version and state.
    pub open: Vec<OpenCount>,
    /// The sagas that have ended, by state.
    pub ended: Vec<(String, u64)>,
    /// The stuck ones, by name and by the code of the reason.
    #[serde(default)]
    pub stuck: Vec<StuckCount>,
}

/// The number of sagas that have not ended, of one definition and in one state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OpenCount {
    /// The durable name of the definition.
    pub name: String,
    /// The version of the definition.
    pub version: u32,
    /// The name of the state.
    pub state: String,
    /// The number of sagas.
    pub sagas: u64,
    /// When the oldest of them was started, in milliseconds since 1970.
    pub oldest: u64,
}

/// The number of sagas that are stuck, of one definition and for reasons with the same code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StuckCount {
    /// The durable name of the definition.
    pub name: String,
    /// The code of the reason.
    pub code: String,
    /// The number of sagas.
    pub sagas: u64,
}

impl SagaCounts {
    /// The number of sagas in the state with this name.
    #[must_use]
    pub fn of(&self, state: &str) -> u64 {
        let open = self.open.iter().filter(|open| open.state == state);
        let ended = self.ended.iter().filter(|(ended, _)| ended == state);
        let open: u64 = open.map(|open| open.sagas).sum();
        open + ended.map(|(_, sagas)| sagas).sum::<u64>()
    }

    /// The number of sagas that have not ended.
    #[must_use]
    pub fn all_open(&self) -> u64 {
        self.open.iter().map(|open| open.sagas).sum()
    }

    /// The number of sagas that have ended, and were not removed.
    #[must_use]
    pub fn all_ended(&self) -> u64 {
        self.ended.iter().map(|(_, sagas)| sagas).sum()
    }

    /// The numbers of sagas that have started and ended since these counts. `None` if sagas were removed meanwhile: then the counts
    /// do not tell.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Option<(u64, u64)> {
        let ended = self.all_ended().checked_sub(earlier.all_ended())?;
        let started = (self.all_open() + ended).checked_sub(earlier.all_open())?;
        Some((started, ended))
    }
}

/// A worker, and the number of sagas that it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkerView {
    /// The name of the worker.
    pub worker: String,
    /// The number of sagas that it holds.
    pub sagas: u64,
    /// The rest of its lease in milliseconds, 0 if that has run out: then others take its sagas over. `None` if the journal does not
    /// say, because one process owns it.
    pub lease_left: Option<u64>,
}

impl From<WorkerTally> for WorkerView {
    fn from(tally: WorkerTally) -> Self {
        let left = |left: std::time::Duration| u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        Self {
            worker: tally.worker.to_string(),
            sagas: tally.sagas,
            lease_left: tally.lease_left.map(left),
        }
    }
}

impl From<Tally> for SagaCounts {
    fn from(tally: Tally) -> Self {
        let open = tally.open.into_iter().map(|open| OpenCount {
            name: open.name,
            version: open.version,
            state: open.state.name().to_owned(),
            sagas: open.sagas,
            oldest: to_millis(open.oldest),
        });
        let ended = tally.ended.into_iter();
        let stuck = tally.stuck.into_iter().map(|stuck| StuckCount {
            name: stuck.name,
            code: stuck.code,
            sagas: stuck.sagas,
        });
        Self {
            open: open.collect(),
            ended: ended
                .map(|(state, sagas)| (state.name().to_owned(), sagas))
                .collect(),
            stuck: stuck.collect(),
        }
    }
}
