//! How many sagas there are, and how they stand.

use serde::{Deserialize, Serialize};

use crate::journal::{Tally, to_millis};

/// The numbers of sagas.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SagaCounts {
    /// The sagas that have not ended, by name, version and state.
    pub open: Vec<OpenCount>,
    /// The sagas that have ended, by state.
    pub ended: Vec<(String, u64)>,
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

impl SagaCounts {
    /// The number of sagas in the state with this name.
    #[must_use]
    pub fn of(&self, state: &str) -> u64 {
        let open = self.open.iter().filter(|open| open.state == state);
        let ended = self.ended.iter().filter(|(ended, _)| ended == state);
        let open: u64 = open.map(|open| open.sagas).sum();
        open + ended.map(|(_, sagas)| sagas).sum::<u64>()
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
        Self {
            open: open.collect(),
            ended: ended
                .map(|(state, sagas)| (state.name().to_owned(), sagas))
                .collect(),
        }
    }
}
