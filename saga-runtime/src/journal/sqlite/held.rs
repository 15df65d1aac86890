//! The sagas that are held, in memory: since one process uses the file, what it knows of its own claims is right.

use std::collections::HashMap;

use crate::id::SagaId;
use crate::journal::{Claim, Worker};

/// One saga that is held.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) number: i64,
    pub(super) epoch: u64,
    pub(super) worker: Worker,
    /// The number of the next entry.
    pub(super) next: u64,
}

/// What changes in memory once a transaction is committed.
#[derive(Debug)]
pub(super) enum Change {
    /// The saga is held.
    Hold(SagaId, Held),
    /// The next entry of the saga has another number.
    Next(SagaId, u64),
    /// The saga is not held any more.
    LetGo(SagaId),
    /// The saga has ended, or is stuck: its row is to say so some time.
    Close(i64, &'static str),
}

/// The sagas that are held, and those whose rows are to say that they have ended.
#[derive(Debug, Default)]
pub(super) struct AllHeld {
    held: HashMap<SagaId, Held>,
    closed: Vec<(i64, &'static str)>,
}

impl AllHeld {
    pub(super) fn get(&self, id: &SagaId) -> Option<&Held> {
        self.held.get(id)
    }

    /// The saga, if the claim is worth something.
    pub(super) fn by_claim(&self, claim: &Claim) -> Option<&Held> {
        self.get(&claim.id).filter(|held| held.epoch == claim.epoch)
    }

    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::Hold(id, held) => {
                self.held.insert(id, held);
            }
            Change::Next(id, next) => {
                if let Some(held) = self.held.get_mut(&id) {
                    held.next = next;
                }
            }
            Change::LetGo(id) => {
                self.held.remove(&id);
            }
            Change::Close(number, state) => self.closed.push((number, state)),
        }
    }

    /// The rows that are to say that their sagas have ended.
    pub(super) fn closed(&self) -> &[(i64, &'static str)] {
        &self.closed
    }

    /// The first of them say so.
    pub(super) fn forget_closed(&mut self, count: usize) {
        self.closed.drain(..count);
    }
}
