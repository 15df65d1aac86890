//! The numbers of sagas in a journal.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::journal::{Event, Filter, History, Journal, JournalError, Record, State, Worker};

/// The numbers of sagas in a journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// The sagas that have not ended, also stuck ones, by name, version and state.
    pub open: Vec<OpenTally>,
    /// The sagas that have ended, by state.
    pub ended: Vec<(State, u64)>,
    /// The stuck ones, by name and by the code of the reason.
    pub stuck: Vec<StuckTally>,
}

/// The number of sagas that have not ended, of one definition and in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenTally {
    /// The durable name of the definition.
    pub name: String,
    /// The version of the definition.
    pub version: u32,
    /// The state.
    pub state: State,
    /// The number of sagas.
    pub sagas: u64,
    /// When the oldest of them was started.
    pub oldest: SystemTime,
}

/// The number of sagas that are stuck, of one definition and for reasons with the same code.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StuckTally {
    /// The durable name of the definition.
    pub name: String,
    /// The code of the reason: [`Reason::code`](crate::journal::Reason::code).
    pub code: String,
    /// The number of sagas.
    pub sagas: u64,
}

impl StuckTally {
    /// The number of sagas of one definition that are stuck for reasons with this code.
    #[must_use]
    pub fn new(name: String, code: String, sagas: u64) -> Self {
        Self { name, code, sagas }
    }
}

/// A worker, and the number of sagas that it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerTally {
    /// The worker.
    pub worker: Worker,
    /// The number of sagas that it holds.
    pub sagas: u64,
    /// The rest of its lease, zero if that has run out: then others take its sagas over. `None` if the journal does not say.
    pub lease_left: Option<Duration>,
}

impl WorkerTally {
    /// A worker with so many sagas.
    #[must_use]
    pub fn new(worker: Worker, sagas: u64, lease_left: Option<Duration>) -> Self {
        Self {
            worker,
            sagas,
            lease_left,
        }
    }

    /// Finds the workers of a journal among the sagas that are held, page by page.
    pub(crate) async fn by_listing<J: Journal + ?Sized>(
        journal: &J,
    ) -> Result<Vec<Self>, JournalError> {
        let mut workers = BTreeMap::<Worker, u64>::new();
        for state in [State::Running, State::Compensating] {
            let mut filter = Filter::default().state(state).limit(1000);
            loop {
                let page = journal.list(&filter).await?;
                for worker in page.sagas.into_iter().filter_map(|record| record.worker) {
                    *workers.entry(worker).or_default() += 1;
                }
                match page.next {
                    Some(next) => filter.after = Some(next),
                    None => break,
                }
            }
        }
        let workers = workers.into_iter();
        Ok(workers
            .map(|(worker, sagas)| Self::new(worker, sagas, None))
            .collect())
    }
}

impl OpenTally {
    /// The number of sagas of one definition and in one state, and the start of the oldest.
    #[must_use]
    pub fn new(name: String, version: u32, state: State, sagas: u64, oldest: SystemTime) -> Self {
        Self {
            name,
            version,
            state,
            sagas,
            oldest,
        }
    }
}

impl Tally {
    /// Counts the sagas of a journal page by page.
    pub(crate) async fn by_listing<J: Journal + ?Sized>(journal: &J) -> Result<Self, JournalError> {
        let mut tally = Self::default();
        let mut filter = Filter::default().limit(1000);
        loop {
            let page = journal.list(&filter).await?;
            for record in &page.sagas {
                tally.count(record);
                if record.state == State::Stuck {
                    tally.count_stuck(journal.load(&record.saga.id).await?);
                }
            }
            match page.next {
                Some(next) => filter.after = Some(next),
                None => break,
            }
        }
        tally.sort();
        Ok(tally)
    }

    fn count(&mut self, record: &Record) {
        let (saga, state) = (&record.saga, record.state);
        if state.is_final() {
            self.ended(state, 1);
            return;
        }
        let is_it = |open: &&mut OpenTally| {
            open.state == state && open.version == saga.version && open.name == saga.name
        };
        if let Some(open) = self.open.iter_mut().find(is_it) {
            open.sagas += 1;
            open.oldest = open.oldest.min(record.started_at);
        } else {
            let name = saga.name.clone();
            let open = OpenTally::new(name, saga.version, state, 1, record.started_at);
            self.open.push(open);
        }
    }

    /// Counts a saga that was stuck when it was listed.
    fn count_stuck(&mut self, history: Option<History>) {
        let Some(History { record, entries }) = history else {
            return;
        };
        // Entries that can't be read do not tell.
        let entries = entries.unwrap_or_default();
        let code = entries.iter().rev().find_map(|entry| match &entry.event {
            Event::Stuck { reason } => Some(reason.code.to_string()),
            _ => None,
        });
        let (name, code) = (record.saga.name, code.unwrap_or_default());
        let mut known = self.stuck.iter_mut();
        match known.find(|stuck| stuck.name == name && stuck.code == code) {
            Some(stuck) => stuck.sagas += 1,
            None => self.stuck.push(StuckTally::new(name, code, 1)),
        }
    }

    /// Adds sagas that have ended.
    pub(super) fn ended(&mut self, state: State, sagas: u64) {
        match self.ended.iter_mut().find(|(ended, _)| *ended == state) {
            Some((_, count)) => *count += sagas,
            None => self.ended.push((state, sagas)),
        }
    }

    /// Orders it by name, version and state, and leaves no number of 0.
    pub(super) fn sort(&mut self) {
        self.ended.retain(|(_, sagas)| *sagas > 0);
        let rank = |state: State| State::ALL.iter().position(|one| *one == state);
        self.ended.sort_by_key(|(state, _)| rank(*state));
        let by_code = |stuck: &StuckTally| (stuck.name.clone(), stuck.code.clone());
        self.stuck.sort_by_cached_key(by_code);
        self.open.sort_by(|one, other| {
            let key = |open: &OpenTally| (open.version, rank(open.state));
            let by_name = one.name.cmp(&other.name);
            by_name.then_with(|| key(one).cmp(&key(other)))
        });
    }
}
