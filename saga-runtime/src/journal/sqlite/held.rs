//! The sagas that are held, in memory: since one process uses the file, what it knows of its own claims is right.

use std::collections::HashMap;
use std::mem;

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
    /// Whether a transaction that is not committed yet has written to it.
    pub(super) is_touched: bool,
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
    staged: Vec<Change>,
}

impl AllHeld {
    pub(super) fn get(&self, id: &SagaId) -> Option<&Held> {
        self.held.get(id)
    }

    /// The saga, if the claim is worth something.
    pub(super) fn by_claim(&self, claim: &Claim) -> Option<&Held> {
        self.get(&claim.id).filter(|held| held.epoch == claim.epoch)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(super) fn is_touched(&self, id: &SagaId) -> bool {
        self.get(id).is_some_and(|held| held.is_touched)
    }

    /// Notes what is to change when the transaction is committed.
    pub(super) fn stage(&mut self, change: Change) {
        if let Some(held) = self.changed(&change) {
            held.is_touched = true;
        }
        self.staged.push(change);
    }

    /// Whether the transaction changes something.
    pub(super) fn has_staged(&self) -> bool {
        !self.staged.is_empty()
    }

    /// The transaction is committed.
    pub(super) fn committed(&mut self) {
        for change in mem::take(&mut self.staged) {
            self.apply(change);
        }
    }

    /// The transaction is rolled back: everything stays as it is.
    pub(super) fn rolled_back(&mut self) {
        for change in mem::take(&mut self.staged) {
            if let Some(held) = self.changed(&change) {
                held.is_touched = false;
            }
        }
    }

    fn changed(&mut self, change: &Change) -> Option<&mut Held> {
        match change {
            Change::Hold(id, _) | Change::Next(id, _) | Change::LetGo(id) => self.held.get_mut(id),
            Change::Close(..) => None,
        }
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Hold(id, held) => {
                self.held.insert(id, held);
            }
            Change::Next(id, next) => {
                if let Some(held) = self.held.get_mut(&id) {
                    held.next = next;
                    held.is_touched = false;
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
