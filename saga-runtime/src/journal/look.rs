//! A look at the journal: the lease is renewed, and the worker learns what it may have to do.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::id::SagaId;

/// The things that a worker may have to do: see [`Journal::look`](crate::journal::Journal::look).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Look {
    /// The sagas that the worker holds and that are to be cancelled.
    pub cancelled: Vec<SagaId>,
    /// True if other processes may have asked for something: [`requests`](crate::journal::Journal::requests) tells.
    pub is_asked: bool,
    /// The sagas that the worker does not hold. `None` if the journal can't tell: then the worker claims, to find out.
    pub ahead: Option<Ahead>,
}

/// The news of the sagas that the worker does not hold, and of the other workers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ahead {
    /// True if a saga of the given definitions can be claimed.
    pub is_work: bool,
    /// The time until the next one of them that [rests](crate::journal::Wakeup::At) can be claimed, if that is within the lease.
    pub next_rest: Option<Duration>,
    /// The time until the first lease of the other workers that hold sagas is over, if it is not renewed.
    pub next_orphans: Option<Duration>,
    /// The names of the paused definitions.
    pub paused: BTreeSet<String>,
    /// The number of workers whose lease is valid.
    pub workers: u32,
}

impl Look {
    /// A look that has found these sagas to be cancelled, and can't tell the rest.
    #[must_use]
    pub fn only_cancelled(cancelled: Vec<SagaId>) -> Self {
        Self {
            cancelled,
            is_asked: true,
            ahead: None,
        }
    }
}
