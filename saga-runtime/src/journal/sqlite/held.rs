//! The sagas that are held, in memory: since one process uses the file, what it knows of its own claims is right.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::mem;

use crate::id::SagaId;
use crate::journal::sqlite::awake::Awake;
use crate::journal::{Claim, SagaVersion, Worker};

/// Numbers of sagas are the journal's own, one after the other: no caller can choose them so that they collide.
pub(super) type ByNumber = BuildHasherDefault<NumberHasher>;

/// A hash of one number.
#[derive(Debug, Default)]
pub(super) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // Spreads neighbours over all bits: by the golden ratio.
        let mixed = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 32);
    }

    fn write_i64(&mut self, number: i64) {
        self.write_u64(number.cast_unsigned());
    }
}

/// The wish to cancel a saga that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cancel {
    No,
    /// Its holder was told when it claimed the saga.
    Known,
    /// Its holder may not know yet.
    SinceClaimed,
}

/// One saga that is held.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) id: SagaId,
    pub(super) number: i64,
    pub(super) epoch: u64,
    pub(super) worker: Worker,
    /// The number of the next entry.
    pub(super) next: u64,
    /// The wish to cancel it.
    pub(super) cancel: Cancel,
    /// It is stuck, and its holder has written nothing yet.
    pub(super) is_stuck: bool,
    /// A transaction that is not committed yet has written to it.
    pub(super) is_touched: bool,
}

/// The slot of a saga that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HeldSlot(usize);

/// A change in memory that follows the commit of a transaction.
#[derive(Debug)]
pub(super) enum Change {
    /// The saga is new.
    Started(i64),
    /// The saga is held.
    Hold(Held),
    /// The next entry of the saga has another number.
    Next(HeldSlot, u64),
    /// The saga is to be cancelled.
    Cancel(HeldSlot),
    /// The saga has ended, or is stuck, and is not held any more.
    Suspension(HeldSlot),
    /// The saga is not held any more, and can be claimed.
    Release(HeldSlot),
    /// All that can be claimed has been, up to a number.
    Claimed(Progress),
    /// The saga, which was asleep or stuck, is in the table of awake sagas.
    Woken(i64),
    /// The saga has ended, is stuck, or sleeps.
    Over(i64),
    /// The saga is compensated.
    Compensated(i64),
    /// The table of awake sagas is up to date, up to this number.
    Listed(i64),
}

/// A worker's progress in the table of awake sagas: it need not look again at the sagas that it has passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) worker: Worker,
    pub(super) definitions: Vec<SagaVersion>,
    /// Whatever has no higher number is held by the worker, or not awake, or of none of the definitions.
    pub(super) through: i64,
}

/// The sagas that are held, and which are awake.
#[derive(Debug)]
pub(super) struct AllHeld {
    slots: Vec<Option<Held>>,
    free: Vec<usize>,
    by_id: HashMap<SagaId, usize>,
    by_number: HashMap<i64, usize, ByNumber>,
    staged: Vec<Change>,
    progress: Option<Progress>,
    pub(super) awake: Awake,
}

impl AllHeld {
    pub(super) fn new(awake: Awake) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_id: HashMap::new(),
            by_number: HashMap::default(),
            staged: Vec::new(),
            progress: None,
            awake,
        }
    }

    /// The saga, if the claim is worth something.
    pub(super) fn by_claim(&self, claim: &Claim) -> Option<(HeldSlot, &Held)> {
        let held = self.at(*self.by_id.get(&claim.id)?);
        held.filter(|(_, held)| held.epoch == claim.epoch)
    }

    pub(super) fn by_number(&self, number: i64) -> Option<(HeldSlot, &Held)> {
        self.at(*self.by_number.get(&number)?)
    }

    fn at(&self, slot: usize) -> Option<(HeldSlot, &Held)> {
        let held = self.slots.get(slot)?.as_ref()?;
        Some((HeldSlot(slot), held))
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Held> {
        self.slots.iter().flatten()
    }

    /// Up to which number the worker need not look again for sagas of these definitions.
    pub(super) fn claimed_through(&self, worker: &Worker, definitions: &[SagaVersion]) -> i64 {
        let progress = self.progress.as_ref();
        let progress =
            progress.filter(|one| one.worker == *worker && one.definitions == definitions);
        progress.map_or(0, |progress| progress.through)
    }

    /// The number of sagas that are held.
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Notes what is to change when the transaction is committed.
    pub(super) fn stage(&mut self, change: Change) {
        self.touch(&change, true);
        self.staged.push(change);
    }

    /// Returns whether the transaction changes something.
    pub(super) fn has_staged(&self) -> bool {
        !self.staged.is_empty()
    }

    /// The transaction is committed.
    pub(super) fn committed(&mut self) {
        let mut staged = mem::take(&mut self.staged);
        for change in staged.drain(..) {
            self.apply(change);
        }
        self.staged = staged;
    }

    /// The transaction is rolled back: everything stays as it is.
    pub(super) fn rolled_back(&mut self) {
        for change in mem::take(&mut self.staged) {
            self.touch(&change, false);
        }
    }

    fn touch(&mut self, change: &Change, is_touched: bool) {
        let slot = match change {
            Change::Next(slot, _)
            | Change::Cancel(slot)
            | Change::Suspension(slot)
            | Change::Release(slot) => Some(*slot),
            // The holder before: what it writes in the same transaction comes too late.
            Change::Hold(held) => self.by_id.get(&held.id).map(|slot| HeldSlot(*slot)),
            _ => None,
        };
        if let Some(held) = slot.and_then(|slot| self.get_mut(slot)) {
            held.is_touched = is_touched;
        }
    }

    fn get_mut(&mut self, slot: HeldSlot) -> Option<&mut Held> {
        self.slots.get_mut(slot.0)?.as_mut()
    }

    fn apply(&mut self, change: Change) {
        self.touch(&change, false);
        match change {
            Change::Started(number) => self.awake.started(number),
            Change::Hold(held) => self.hold(held),
            Change::Next(slot, next) => {
                if let Some(held) = self.get_mut(slot) {
                    held.next = next;
                    held.is_stuck = false;
                }
            }
            Change::Cancel(slot) => {
                if let Some(held) = self.get_mut(slot) {
                    held.cancel = Cancel::SinceClaimed;
                }
            }
            Change::Suspension(slot) => self.suspension(slot),
            Change::Release(slot) => {
                self.suspension(slot);
                self.progress = None;
            }
            Change::Claimed(progress) => self.progress = Some(progress),
            Change::Woken(number) => {
                self.awake.woken(number);
                self.progress = None;
            }
            Change::Over(number) => self.awake.over(number),
            Change::Compensated(number) => self.awake.compensated(number),
            Change::Listed(through) => self.awake.listed(through),
        }
    }

    fn hold(&mut self, held: Held) {
        // The holder before has lost it.
        if let Some(before) = self.by_id.get(&held.id) {
            self.suspension(HeldSlot(*before));
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.by_id.insert(held.id.clone(), slot);
        self.by_number.insert(held.number, slot);
        self.slots[slot] = Some(held);
    }

    fn suspension(&mut self, slot: HeldSlot) {
        if let Some(held) = self.slots.get_mut(slot.0).and_then(Option::take) {
            self.by_id.remove(&held.id);
            self.by_number.remove(&held.number);
            self.free.push(slot.0);
        }
    }
}
