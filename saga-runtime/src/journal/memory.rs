//! A journal in memory: all that a journal promises, for as long as the process lives. For tests, and for sagas that need
//! not survive.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use async_trait::async_trait;

use crate::id::SagaId;
use crate::journal::lease::Leases;
use crate::journal::{
    AppendError, Cancellation, Claim, Claimed, ClaimedOne, Clock, Entry, Event, Filter, History,
    Journal, JournalError, Lease, NewSaga, Page, Pause, Record, SagaVersion, Started, State,
    Wakeup, from_millis, to_millis,
};
use crate::lock::lock;

/// A [`Journal`] in memory. Clones are the same journal, so that a test can stop one coordinator and start another on it.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Mutex<Sagas>>);

#[derive(Debug, Default)]
struct Sagas {
    /// By the order in which they were started.
    by_number: BTreeMap<u64, StoredSaga>,
    numbers: HashMap<SagaId, u64>,
    last: u64,
    leases: Leases,
    paused: BTreeMap<String, Pause>,
    clock: Clock,
}

#[derive(Debug)]
struct StoredSaga {
    record: Record,
    entries: Vec<Entry>,
    /// A holder has released the saga with a step in doubt: the step after the last entry may have been requested.
    in_doubt: bool,
    /// The time until which it has nothing to do.
    rest: Wakeup,
    /// It was cancelled since it was claimed: its holder may not know yet.
    is_cancel_unheard: bool,
    /// See [`Claimed::recoveries`].
    recoveries: u32,
    /// True if attempts of a step have failed until the saga was released. Its entries say which fail now.
    has_failed: bool,
    /// The number of the entry with the decision to undo the saga.
    decision: Option<u64>,
}

impl Memory {
    /// An empty journal.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty journal whose clock follows the clock of tokio: in `#[tokio::test(start_paused = true)]`, durable sleeps,
    /// the limits of events, back-offs, deadlines and leases of its sagas pass in a moment.
    #[cfg(feature = "testing")]
    #[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
    #[must_use]
    pub fn in_tokio_time() -> Self {
        let sagas = Sagas {
            clock: Clock::of_tokio(),
            ..Sagas::default()
        };
        Self(Arc::new(Mutex::new(sagas)))
    }

    /// Ends the leases of all workers, as if all were silent for long.
    #[cfg(feature = "testing")]
    pub(crate) fn end_leases(&self) {
        self.lock().leases = Leases::default();
    }

    fn lock(&self) -> MutexGuard<'_, Sagas> {
        lock(&self.0)
    }
}

impl Sagas {
    fn find(&mut self, id: &SagaId) -> Option<&mut StoredSaga> {
        let number = self.numbers.get(id)?;
        self.by_number.get_mut(number)
    }

    /// The saga, if the claim is still worth something.
    fn held(&mut self, claim: &Claim) -> Option<&mut StoredSaga> {
        self.find(&claim.id).filter(|saga| saga.is_held_by(claim))
    }
}

impl StoredSaga {
    /// Its record, with where it rests.
    fn listed(&self) -> Record {
        let mut record = self.seen().into_owned();
        if record.state == State::Waiting && self.rest != Wakeup::Now {
            let mut events = self.entries.iter().rev().map(|entry| &entry.event);
            let mut over = Vec::new();
            let waiting = events.find_map(|event| match event {
                Event::WaitOver { step, .. } => {
                    over.push(step);
                    None
                }
                Event::Waiting { step, .. } => Some(step),
                _ => None,
            });
            record.rest = self.rest;
            record.rests_at = waiting
                .filter(|step| !over.contains(step))
                .map(|step| step.name.clone().into_owned());
        }
        record
    }

    fn is_held_by(&self, claim: &Claim) -> bool {
        self.record.worker.is_some() && self.record.epoch == claim.epoch
    }

    fn is_free(&self, leases: &Leases) -> bool {
        let holder = self.record.worker.as_ref();
        holder.is_none_or(|worker| !leases.is_valid(worker))
    }

    /// The record, with the steps that fail.
    fn seen(&self) -> Cow<'_, Record> {
        if !self.has_failed {
            return Cow::Borrowed(&self.record);
        }
        let mut record = self.record.clone();
        record.find_failing(&self.entries);
        Cow::Owned(record)
    }

    fn claim(&mut self, lease: &Lease) -> Claimed {
        // The holder before has not released it.
        let is_cut_off = self.record.worker.is_some();
        let rest = std::mem::replace(&mut self.rest, Wakeup::Now);
        self.is_cancel_unheard = false;
        let record = &mut self.record;
        record.epoch += 1;
        record.worker = Some(lease.worker.clone());
        if record.state == State::Waiting {
            record.state = State::of_held(&self.entries);
        }
        self.recoveries += u32::from(is_cut_off);
        let claim = Claim {
            id: record.saga.id.clone(),
            epoch: record.epoch,
        };
        let mut claimed = Claimed::new(claim, record.clone(), Ok(self.entries.clone()));
        claimed.orderly = !(is_cut_off || self.in_doubt);
        claimed.recoveries = self.recoveries;
        claimed.rest = rest;
        claimed
    }

    fn append(&mut self, event: Event, at: SystemTime) {
        let seq = self.entries.len() as u64 + 1;
        self.record.changed_at = at;
        if let Event::Compensating { .. } = event {
            self.decision = Some(seq);
        }
        self.record.state = match self.record.state.after(&event) {
            // A part is undone whose failure the body handles.
            State::Compensating if self.decision.is_none() => State::Running,
            state => state,
        };
        let ends_claim = event.ends_claim();
        self.has_failed |= matches!(event, Event::Failing { .. });
        self.entries.push(Entry { seq, at, event });
        if ends_claim {
            self.record.worker = None;
        } else if self.record.state == State::Stuck {
            // An operator has decided something: it goes on.
            self.record.state = State::of_held(&self.entries);
        }
        self.in_doubt = false;
        self.recoveries = 0;
    }
}

#[async_trait]
impl Journal for Memory {
    async fn start(&self, saga: NewSaga, worker: Option<&Lease>) -> Result<Started, JournalError> {
        let mut sagas = self.lock();
        if let Some(existing) = sagas.find(&saga.id) {
            return Ok(Started::Existing(Box::new(existing.record.clone())));
        }
        let id = saga.id.clone();
        let mut new = StoredSaga {
            record: Record::new(saga, sagas.clock.now()),
            entries: Vec::new(),
            in_doubt: false,
            rest: Wakeup::Now,
            is_cancel_unheard: false,
            recoveries: 0,
            has_failed: false,
            decision: None,
        };
        let claim = worker.map(|lease| {
            sagas.leases.renew(lease);
            new.claim(lease).claim
        });
        sagas.last += 1;
        let number = sagas.last;
        sagas.numbers.insert(id, number);
        sagas.by_number.insert(number, new);
        Ok(Started::New(claim))
    }

    async fn claim(
        &self,
        worker: &Lease,
        definitions: &[SagaVersion],
        limit: usize,
    ) -> Result<Vec<Claimed>, JournalError> {
        let mut sagas = self.lock();
        sagas.leases.renew(worker);
        let now = sagas.clock.now();
        let Sagas {
            by_number, leases, ..
        } = &mut *sagas;
        let can_go_on = |saga: &&mut StoredSaga| {
            let Record {
                saga: new, state, ..
            } = &saga.record;
            let is_open = !state.is_final() && *state != State::Stuck;
            let is_awake = saga.rest.is_over(now);
            is_open
                && is_awake
                && definitions.iter().any(|one| one.is_of(new))
                && saga.is_free(leases)
        };
        let free = by_number.values_mut().filter(can_go_on);
        Ok(free.take(limit).map(|saga| saga.claim(worker)).collect())
    }

    async fn next_rest(&self) -> Result<Option<SystemTime>, JournalError> {
        let sagas = self.lock();
        let times = sagas.by_number.values().filter_map(|saga| match saga.rest {
            Wakeup::At(time) => Some(time),
            Wakeup::Now | Wakeup::WhenCalled => None,
        });
        Ok(times.min())
    }

    async fn claim_one(&self, worker: &Lease, id: &SagaId) -> Result<ClaimedOne, JournalError> {
        let mut sagas = self.lock();
        sagas.leases.renew(worker);
        let Sagas {
            by_number,
            leases,
            numbers,
            ..
        } = &mut *sagas;
        let saga = numbers.get(id).and_then(|number| by_number.get_mut(number));
        let Some(saga) = saga else {
            return Ok(ClaimedOne::Unknown);
        };
        Ok(match &saga.record.worker {
            _ if saga.record.state.is_final() => ClaimedOne::Final(saga.record.state),
            Some(holder) if leases.is_valid(holder) => ClaimedOne::Held(holder.clone()),
            _ => ClaimedOne::Claimed(Box::new(saga.claim(worker))),
        })
    }

    async fn renew(&self, worker: &Lease) -> Result<Vec<SagaId>, JournalError> {
        let mut sagas = self.lock();
        sagas.leases.renew(worker);
        let cancelled = sagas.by_number.values().filter(|saga| {
            saga.record.worker.as_ref() == Some(&worker.worker)
                && saga.record.cancellation.is_some()
        });
        Ok(cancelled.map(|saga| saga.record.saga.id.clone()).collect())
    }

    async fn append(
        &self,
        claim: &Claim,
        first: u64,
        events: Vec<Event>,
    ) -> Result<(), AppendError> {
        let mut sagas = self.lock();
        let fenced = AppendError::Fenced { epoch: claim.epoch };
        let now = sagas.clock.now();
        let Some(saga) = sagas.find(&claim.id) else {
            return Err(fenced);
        };
        let written = usize::try_from(first.saturating_sub(1)).unwrap_or(usize::MAX);
        let next = saga.entries.len();
        if first > 0 && written < next && saga.record.epoch == claim.epoch {
            let there = saga.entries[written..].iter().map(|entry| &entry.event);
            return if there.eq(&events) {
                Ok(())
            } else {
                Err(AppendError::NotContiguous { seq: first })
            };
        }
        if !saga.is_held_by(claim) {
            return Err(fenced);
        }
        if first == 0 || written != next {
            return Err(AppendError::NotContiguous { seq: first });
        }
        for event in events {
            saga.append(event, now);
        }
        Ok(())
    }

    async fn release(
        &self,
        claim: &Claim,
        in_doubt: bool,
        rest: Wakeup,
    ) -> Result<(), JournalError> {
        if let Some(saga) = self.lock().held(claim) {
            saga.record.worker = None;
            saga.rest = if saga.is_cancel_unheard {
                Wakeup::Now
            } else {
                rest
            };
            saga.in_doubt |= in_doubt;
            if saga.record.state != State::Stuck {
                saga.record.state = State::Waiting;
            }
        }
        Ok(())
    }

    async fn request_cancel(&self, id: &SagaId, reason: &str) -> Result<bool, JournalError> {
        let mut sagas = self.lock();
        let at = sagas.clock.now();
        let open = sagas.find(id).filter(|saga| !saga.record.state.is_final());
        let Some(saga) = open else { return Ok(false) };
        saga.rest = Wakeup::Now;
        saga.is_cancel_unheard = true;
        saga.record
            .cancellation
            .get_or_insert_with(|| Cancellation {
                reason: reason.to_owned(),
                at,
            });
        Ok(true)
    }

    async fn load(&self, id: &SagaId) -> Result<Option<History>, JournalError> {
        let mut sagas = self.lock();
        let saga = sagas.find(id);
        Ok(saga.map(|saga| History {
            record: saga.listed(),
            entries: Ok(saga.entries.clone()),
        }))
    }

    async fn record(&self, id: &SagaId) -> Result<Option<Record>, JournalError> {
        let mut sagas = self.lock();
        Ok(sagas.find(id).map(|saga| saga.listed()))
    }

    async fn list(&self, filter: &Filter) -> Result<Page, JournalError> {
        let sagas = self.lock();
        let before = filter.after.unwrap_or(u64::MAX);
        let mut admitted = sagas.by_number.range(..before).rev().filter(|(_, saga)| {
            let mut events = saga.entries.iter().map(|entry| &entry.event);
            let seen = saga.seen();
            filter.admits(&seen)
                && (!filter.skipped
                    || events.any(|event| matches!(event, Event::CompensationSkipped { .. })))
                && filter.trouble.admits(seen.state, &saga.entries)
        });
        let mut listed = Vec::new();
        let mut last = None;
        for (number, saga) in admitted.by_ref().take(filter.limit) {
            let mut record = saga.listed();
            if !filter.trouble.is_empty() {
                record.find_setback(&saga.entries);
            }
            listed.push(record);
            last = Some(*number);
        }
        let next = last.filter(|_| admitted.next().is_some());
        Ok(Page::new(listed, next))
    }

    async fn pause(&self, name: &str, reason: &str) -> Result<(), JournalError> {
        let mut sagas = self.lock();
        let now = from_millis(to_millis(sagas.clock.now()));
        let pause = sagas.paused.entry(name.to_owned());
        let pause = pause.or_insert_with(|| Pause::new(name, reason, now));
        reason.clone_into(&mut pause.reason);
        Ok(())
    }

    async fn resume(&self, name: &str) -> Result<bool, JournalError> {
        Ok(self.lock().paused.remove(name).is_some())
    }

    async fn paused(&self) -> Result<Vec<Pause>, JournalError> {
        Ok(self.lock().paused.values().cloned().collect())
    }

    async fn purge(&self, before: SystemTime) -> Result<u64, JournalError> {
        let mut sagas = self.lock();
        let Sagas {
            by_number, numbers, ..
        } = &mut *sagas;
        let count = by_number.len();
        by_number.retain(|_, saga| {
            let stays = !saga.record.state.is_final() || saga.record.changed_at >= before;
            if !stays {
                numbers.remove(&saga.record.saga.id);
            }
            stays
        });
        Ok((count - by_number.len()) as u64)
    }

    fn clock(&self) -> Clock {
        self.lock().clock
    }
}
