//! A journal under test, and the calls and values that its tests share.

use std::time::Duration;

use crate::error::Reason;
use crate::id::SagaId;
use crate::journal::{
    AppendError, Claim, Claimed, ClaimedOne, Entry, Event, Journal, Lease, NewSaga, Record,
    SagaVersion, Started, StepCall, Wakeup, Worker,
};
use crate::meta::Kind;

/// Opens journals for the suite.
pub trait Factory {
    /// The journal under test.
    type Journal: Journal;

    /// Opens a new, empty journal.
    fn open(&mut self) -> impl Future<Output = Self::Journal>;

    /// Closes the journal and opens it again, as the next process does. A journal that lives only as long as its
    /// process is returned unchanged.
    fn reopen(&mut self, journal: Self::Journal) -> impl Future<Output = Self::Journal>;
}

/// A journal under test, with the factory that opened it.
#[derive(Debug)]
pub struct Fixture<F: Factory> {
    factory: F,
    pub(in crate::testing) journal: F::Journal,
}

/// A lease that no test outlives.
const LONG: Duration = Duration::from_hours(1);

pub(in crate::testing) fn lease(worker: &str) -> Lease {
    Lease {
        worker: Worker::new(worker),
        duration: LONG,
    }
}

/// A lease that has run out at once, as that of a worker that fell silent.
pub(in crate::testing) fn silent(worker: &str) -> Lease {
    Lease {
        worker: Worker::new(worker),
        duration: Duration::ZERO,
    }
}

pub(in crate::testing) fn id(id: &str) -> SagaId {
    SagaId::new(id).expect("a valid id")
}

pub(in crate::testing) fn new(id_text: &str) -> NewSaga {
    NewSaga {
        id: id(id_text),
        name: "order".to_owned(),
        version: 1,
        fingerprint: u64::MAX - 1,
        input: r#"{"amount":3}"#.to_owned(),
        trace: None,
    }
}

pub(in crate::testing) fn call(name: &'static str) -> StepCall {
    StepCall {
        name: name.into(),
        occurrence: 0,
        kind: Kind::Compensatable,
    }
}

pub(in crate::testing) fn done(name: &'static str) -> Event {
    Event::StepDone {
        step: call(name),
        attempts: 1,
        output: format!("{{\"step\":\"{name}\"}}"),
        inputs: None,
    }
}

pub(in crate::testing) fn completed() -> Event {
    Event::Completed {
        output: "17".to_owned(),
    }
}

pub(in crate::testing) fn compensating() -> Event {
    Event::Compensating {
        step: Some("charge".into()),
        reason: Reason::new("error", "declined"),
    }
}

pub(in crate::testing) fn stuck() -> Event {
    Event::Stuck {
        reason: Reason::new("compensation_failed", "no answer"),
    }
}

impl<F: Factory> Fixture<F> {
    /// Opens an empty journal.
    pub async fn new(mut factory: F) -> Self {
        let journal = factory.open().await;
        Self { factory, journal }
    }

    pub(in crate::testing) async fn reopened(mut self) -> Self {
        let journal = self.factory.reopen(self.journal).await;
        Self {
            factory: self.factory,
            journal,
        }
    }

    /// Starts a saga, held by the worker `a`.
    pub(in crate::testing) async fn started(&self, id: &str) -> Claim {
        self.started_by(&lease("a"), id).await
    }

    pub(in crate::testing) async fn started_by(&self, lease: &Lease, id: &str) -> Claim {
        match self.journal.start(new(id), Some(lease)).await {
            Ok(Started::New(Some(claim))) => claim,
            other => panic!("{other:?}"),
        }
    }

    /// Starts a saga that waits.
    pub(in crate::testing) async fn waiting(&self, saga: NewSaga) {
        let started = self.journal.start(saga, None).await;
        assert!(matches!(started, Ok(Started::New(None))), "{started:?}");
    }

    pub(in crate::testing) async fn append(&self, claim: &Claim, first: u64, events: &[Event]) {
        let appended = self.journal.append(claim, first, events.to_vec()).await;
        appended.expect("the claim holds");
    }

    pub(in crate::testing) async fn append_and_release(
        &self,
        claim: &Claim,
        first: u64,
        events: Vec<Event>,
        in_doubt: bool,
    ) -> Result<(), AppendError> {
        self.journal
            .append_and_release(claim, first, events, in_doubt, Wakeup::Now)
            .await
    }

    pub(in crate::testing) async fn is_fenced(&self, claim: &Claim, first: u64) {
        let appended = self.journal.append(claim, first, vec![done("x")]).await;
        assert!(
            matches!(appended, Err(AppendError::Fenced { .. })),
            "{appended:?}"
        );
    }

    pub(in crate::testing) async fn is_not_contiguous(
        &self,
        claim: &Claim,
        first: u64,
        events: Vec<Event>,
    ) {
        let appended = self.journal.append(claim, first, events).await;
        assert!(
            matches!(appended, Err(AppendError::NotContiguous { .. })),
            "{appended:?}"
        );
    }

    pub(in crate::testing) async fn claim(&self, lease: &Lease, limit: usize) -> Vec<Claimed> {
        let claimed = self
            .journal
            .claim(lease, &[SagaVersion::new("order", 1)], limit)
            .await;
        claimed.expect("the journal works")
    }

    /// Claims the only saga that can be claimed.
    pub(in crate::testing) async fn claim_only(&self, lease: &Lease) -> Claimed {
        let mut claimed = self.claim(lease, 10).await;
        assert_eq!(claimed.len(), 1, "{claimed:?}");
        claimed.remove(0)
    }

    pub(in crate::testing) async fn claim_one(&self, lease: &Lease, saga: &str) -> ClaimedOne {
        let claimed = self.journal.claim_one(lease, &id(saga)).await;
        claimed.expect("the journal works")
    }

    pub(in crate::testing) async fn release(&self, claim: &Claim, in_doubt: bool) {
        self.rest(claim, in_doubt, Wakeup::Now).await;
    }

    pub(in crate::testing) async fn rest(&self, claim: &Claim, in_doubt: bool, rest: Wakeup) {
        let released = self.journal.release(claim, in_doubt, rest).await;
        released.expect("the journal works");
    }

    pub(in crate::testing) async fn record(&self, saga: &str) -> Record {
        let history = self.journal.load(&id(saga)).await;
        history
            .expect("the journal works")
            .expect("it is there")
            .record
    }

    pub(in crate::testing) async fn entries(&self, saga: &str) -> Vec<Entry> {
        let history = self.journal.load(&id(saga)).await;
        let entries = history
            .expect("the journal works")
            .expect("it is there")
            .entries;
        entries.expect("they can be read")
    }

    pub(in crate::testing) async fn events(&self, saga: &str) -> Vec<Event> {
        let entries = self.entries(saga).await;
        entries.into_iter().map(|entry| entry.event).collect()
    }
}

/// The ids of claimed sagas.
pub(in crate::testing) fn ids(claimed: &[Claimed]) -> Vec<&str> {
    claimed.iter().map(|one| one.claim.id.as_str()).collect()
}
