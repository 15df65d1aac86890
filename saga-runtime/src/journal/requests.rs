//! Requests between processes: an event, or an operator's call, for a saga that another worker holds.

use crate::id::SagaId;

/// An event for a saga that another worker holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PostedEvent {
    /// The name of the event.
    pub name: String,
    /// Its value, as JSON.
    pub payload: String,
    /// The key under which the saga takes it once.
    pub key: String,
}

impl PostedEvent {
    /// An event under a key.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        payload: impl Into<String>,
        key: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            payload: payload.into(),
            key: key.into(),
        }
    }
}

/// What other processes have asked for the sagas of a worker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Requests {
    /// The sagas that operators wait for.
    pub called: Vec<SagaId>,
    /// The events that were posted, the oldest first.
    pub posted: Vec<(SagaId, PostedEvent)>,
}

/// The result of asking the holder of a saga for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Forwarded {
    /// It is recorded, and the holder hears of it.
    Recorded,
    /// No worker holds the saga: it can be claimed, or it has ended.
    NotHeld,
    /// The journal can't reach the process that holds it.
    Impossible,
}
