//! After any sequence of writes, and a crash after any of them, exactly those are claimed that are awake.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use rusqlite::Connection;

use crate::error::Reason;
use crate::id::SagaId;
use crate::journal::sqlite::batch::{add_rows, apply};
use crate::journal::sqlite::claims::TakenOver;
use crate::journal::sqlite::connection::Size;
use crate::journal::sqlite::operation::{Operation, OperationResult, Reply};
use crate::journal::sqlite::schema;
use crate::journal::sqlite::transaction::Transaction;
use crate::journal::{
    Claim, ClaimedOne, Event, Filter, Lease, NewSaga, Row, SagaVersion, Started, State, Wakeup,
    Worker,
};

/// The state of a saga, as far as claims go.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Doing {
    Waits,
    Runs(Claim, u64),
    Sleeps,
    IsStuck,
    IsCompensated,
    HasEnded,
}

impl Doing {
    fn is_final(&self) -> bool {
        matches!(self, Self::IsCompensated | Self::HasEnded)
    }
}

/// Processes on one file, one after the other, and what their sagas are thought to do.
struct Model<'c> {
    connection: &'c Connection,
    store: Transaction<'c>,
    sagas: BTreeMap<u64, Doing>,
    /// Sagas that were cancelled since their claim: they do not go to sleep.
    unheard: BTreeSet<u64>,
    started: u64,
    processes: u64,
    random: fastrand::Rng,
}

fn id(saga: u64) -> SagaId {
    SagaId::new(saga.to_string()).expect("a short text")
}

/// Does it in a transaction.
fn done(store: &mut Transaction<'_>, op: Operation) -> OperationResult {
    let outcome = apply(store, &op).expect("it can be written");
    let mut done = [(op, outcome.expect("nothing else was done"))];
    add_rows(store, &mut done).expect("it can be written");
    let [(_, outcome)] = done;
    outcome
}

impl<'c> Model<'c> {
    fn lease(&self) -> Lease {
        Lease {
            worker: Worker::new(self.processes.to_string()),
            duration: Duration::from_hours(1),
        }
    }

    fn transaction<T>(&mut self, write: impl FnOnce(&mut Transaction<'c>) -> T) -> T {
        self.connection.execute_batch("BEGIN").expect("it begins");
        let written = write(&mut self.store);
        self.connection.execute_batch("COMMIT").expect("it ends");
        self.store.held.committed();
        written
    }

    fn start(&mut self) {
        self.started += 1;
        let lease = self.random.bool().then(|| self.lease());
        let saga = NewSaga {
            id: id(self.started),
            name: "order".to_owned(),
            version: 1,
            fingerprint: 17,
            input: "{}".to_owned(),
            trace: None,
        };
        let is_listed = self.random.u8(..8) == 0;
        let started = self.transaction(|store| {
            if is_listed {
                store.list_awake().expect("it is listed");
            }
            let reply = Reply::channel().0;
            done(
                store,
                Operation::Start {
                    saga,
                    checksum: 0,
                    lease,
                    reply,
                },
            )
        });
        let doing = match started {
            OperationResult::Start(Started::New(Some(claim))) => Doing::Runs(claim, 1),
            OperationResult::Start(Started::New(None)) => Doing::Waits,
            _ => panic!("it is new"),
        };
        self.sagas.insert(self.started, doing);
    }

    fn append(&mut self, saga: u64, event: Event, then: Doing) {
        let Doing::Runs(claim, next) = self.sagas[&saga].clone() else {
            return;
        };
        let append = Operation::Append {
            claim,
            first: next,
            rows: vec![Row::from(event).into()],
            reply: Reply::channel().0,
        };
        let appended = self.transaction(|store| done(store, append));
        assert!(
            matches!(appended, OperationResult::Append(Ok(()))),
            "{saga} is held"
        );
        self.sagas.insert(saga, then);
    }

    fn release(&mut self, saga: u64, rest: Wakeup, then: Doing) {
        let Doing::Runs(claim, _) = self.sagas[&saga].clone() else {
            return;
        };
        self.transaction(|store| store.release(&claim, false, rest).map(drop))
            .expect("it is released");
        let is_awake = self.unheard.remove(&saga);
        self.sagas
            .insert(saga, if is_awake { Doing::Waits } else { then });
    }

    fn claim_one(&mut self, saga: u64) {
        let lease = self.lease();
        let claimed = self.transaction(|store| store.claim_one(&lease, &id(saga)));
        match (claimed.expect("it can be read").read(), &self.sagas[&saga]) {
            (ClaimedOne::Claimed(claimed), Doing::Waits | Doing::Sleeps | Doing::IsStuck) => {
                let (claim, next) = (claimed.claim, claimed.next);
                self.unheard.remove(&saga);
                self.sagas.insert(saga, Doing::Runs(claim, next));
                // An operator's decision is an entry.
                let reason = "look again".to_owned();
                self.append(saga, Event::Retried { reason }, Doing::Waits);
                let doing = self.sagas.get_mut(&saga).expect("it is there");
                let claim = Claim {
                    id: id(saga),
                    epoch: claimed.record.epoch,
                };
                *doing = Doing::Runs(claim, next + 1);
            }
            (ClaimedOne::Held(_), Doing::Runs(..))
            | (ClaimedOne::Final(State::Compensated), Doing::IsCompensated)
            | (ClaimedOne::Final(State::Completed), Doing::HasEnded) => {}
            (claimed, doing) => panic!("{saga} {doing:?}: {claimed:?}"),
        }
    }

    fn cancel(&mut self, saga: u64) {
        let noted = self.transaction(|store| store.request_cancel(&id(saga), "changed my mind"));
        let doing = self.sagas.get_mut(&saga).expect("it is there");
        assert_eq!(noted.expect("it can be noted"), !doing.is_final());
        if *doing == Doing::Sleeps {
            *doing = Doing::Waits;
        }
        if matches!(doing, Doing::Runs(..)) {
            self.unheard.insert(saga);
        }
    }

    /// Takes over all that can be, or some.
    fn claim(&mut self, limit: usize) {
        let lease = self.lease();
        let claimed =
            self.transaction(|store| store.claim(&lease, &[SagaVersion::new("order", 1)], limit));
        let claimed = claimed.expect("they can be claimed").into_iter();
        let claimed: Vec<_> = claimed.map(TakenOver::read).collect();
        let mut expected = BTreeSet::new();
        for (saga, doing) in &self.sagas {
            if *doing == Doing::Waits {
                expected.insert(id(*saga));
            }
        }
        let found: BTreeSet<_> = claimed.iter().map(|one| one.claim.id.clone()).collect();
        assert!(found.is_subset(&expected), "{found:?}, {expected:?}");
        assert_eq!(found.len(), limit.min(expected.len()), "{expected:?}");
        for one in claimed {
            let saga = one.claim.id.as_str().parse().expect("a number");
            self.unheard.remove(&saga);
            self.sagas.insert(saga, Doing::Runs(one.claim, one.next));
        }
    }

    fn purge(&mut self) {
        let later = SystemTime::now() + Duration::from_hours(1);
        let (mut after, mut count) = (0, 0);
        loop {
            let purged = self.transaction(|store| store.purge(later, after));
            let purged = purged.expect("they are removed");
            count += purged.count;
            match purged.through {
                Some(through) => after = through,
                None => break,
            }
        }
        let before = self.sagas.len();
        self.sagas.retain(|_, doing| !doing.is_final());
        let gone = before - self.sagas.len();
        assert_eq!(count, gone as u64);
    }

    /// Looks for the compensated sagas, two at a time.
    fn find_compensated(&self) {
        let mut filter = Filter::default().state(State::Compensated).limit(2);
        let mut found = Vec::new();
        loop {
            let page = self.store.rows().list(&filter).expect("it can be read");
            found.extend(page.sagas.into_iter().map(|one| one.saga.id));
            match page.next {
                Some(next) => filter = filter.after(next),
                None => break,
            }
        }
        let compensated = self.sagas.iter().rev();
        let compensated = compensated.filter(|(_, doing)| **doing == Doing::IsCompensated);
        let compensated: Vec<_> = compensated.map(|(saga, _)| id(*saga)).collect();
        assert_eq!(found, compensated);
    }

    /// A transaction that is not committed.
    fn roll_back(&mut self, saga: Option<u64>) {
        self.connection.execute_batch("BEGIN").expect("it begins");
        let result = match saga.map(|saga| self.sagas[&saga].clone()) {
            Some(Doing::Runs(claim, next)) => {
                let row = Row::from(Event::Compensated).into();
                self.store.append(&claim, next, &[row]).is_ok()
            }
            _ => self.store.list_awake().is_ok(),
        };
        assert!(result, "it can be written");
        self.connection.execute_batch("ROLLBACK").expect("it ends");
        self.store.held.rolled_back();
    }

    /// All that was in memory is gone.
    fn crash(&mut self) {
        self.store = Transaction::new(self.connection, Size::Large).expect("it can be read");
        self.processes += 1;
        for doing in self.sagas.values_mut() {
            if matches!(doing, Doing::Runs(..)) {
                *doing = Doing::Waits;
            }
        }
        self.claim(usize::MAX);
    }

    fn step(&mut self) {
        let sagas: Vec<_> = self.sagas.keys().copied().collect();
        let saga = self.random.choice(&sagas).copied();
        match (self.random.u8(..26), saga) {
            (0..8, _) | (_, None) => self.start(),
            (8..12, Some(saga)) => {
                let output = "1".to_owned();
                self.append(saga, Event::Completed { output }, Doing::HasEnded);
            }
            (12, Some(saga)) => {
                let reason = Reason::new("panicked", "panicked");
                self.append(saga, Event::Stuck { reason }, Doing::IsStuck);
            }
            (13, Some(saga)) => self.release(saga, Wakeup::Now, Doing::Waits),
            (14..16, Some(saga)) => self.release(saga, Wakeup::WhenCalled, Doing::Sleeps),
            // It is over with the next claim.
            (16, Some(saga)) => {
                let past = Wakeup::At(SystemTime::UNIX_EPOCH);
                self.release(saga, past, Doing::Waits);
            }
            (17, Some(saga)) => self.claim_one(saga),
            (18, Some(saga)) => self.cancel(saga),
            (19, _) => {
                let limit = [1, 2, 3, usize::MAX];
                let limit = limit[self.random.usize(..limit.len())];
                self.claim(limit);
            }
            (20, _) => self
                .transaction(Transaction::list_awake)
                .expect("they are listed"),
            (21, _) => self.purge(),
            (22, _) => self.roll_back(saga),
            (23, Some(saga)) => self.append(saga, Event::Compensated, Doing::IsCompensated),
            (24, _) => self.find_compensated(),
            _ => self.crash(),
        }
    }
}

#[test]
fn what_is_awake_can_be_claimed_after_any_crash_and_nothing_else() {
    for seed in 0..200 {
        println!("seed {seed}");
        let mut connection = Connection::open_in_memory().expect("there is memory");
        schema::migrate(&mut connection).expect("the tables are made");
        let mut model = Model {
            connection: &connection,
            store: Transaction::new(&connection, Size::Large).expect("it is empty"),
            sagas: BTreeMap::new(),
            unheard: BTreeSet::new(),
            started: 0,
            processes: 0,
            random: fastrand::Rng::with_seed(seed),
        };
        for _ in 0..150 {
            model.step();
        }
        model.crash();
    }
}
