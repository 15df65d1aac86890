//! The metrics of a coordinator, without a word in its other files: its journal counts what is recorded through it, and a loop
//! looks at what is open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::clock::Clock;
use crate::coordinator::Shared;
use crate::id::SagaId;
use crate::journal::{
    AppendError, Claim, Claimed, ClaimedOne, Event, Filter, Forwarded, History, Journal,
    JournalError, Lease, Listener, Look, NewSaga, Page, Pause, PostedEvent, Record, Requests,
    SagaVersion, Started, Tally, Wakeup, Worker, WorkerTally,
};
use crate::lock::lock;
use crate::metrics::{FinalState, JournalCall, JournalHandles, OneSaga, OpenHandles, SagaHandles};
use async_trait::async_trait;

/// The time between two looks at what is open, by and large.
const PERIOD: Duration = Duration::from_secs(15);

/// The time between such looks of all workers together, by and large.
const SHARE: Duration = Duration::from_millis(60);

/// A journal that counts what is recorded through it.
pub(super) struct Metered {
    journal: Arc<dyn Journal>,
    clock: Clock,
    calls: JournalHandles,
    sagas: SagaHandles,
    /// The sagas that this process holds.
    held: Mutex<HashMap<SagaId, CountedSaga>>,
}

/// A saga that this process holds.
#[derive(Clone)]
struct CountedSaga {
    handles: Arc<OneSaga>,
    started_at: SystemTime,
}

impl Metered {
    pub(super) fn new(journal: Arc<dyn Journal>) -> Self {
        Self {
            clock: journal.clock(),
            journal,
            calls: JournalHandles::new(),
            sagas: SagaHandles::default(),
            held: Mutex::default(),
        }
    }

    /// Counts an append that has ended.
    fn appended(
        &self,
        claim: &Claim,
        begun: Option<Instant>,
        seen: &[Seen],
        appended: &Result<(), AppendError>,
    ) {
        let is_error = matches!(appended, Err(AppendError::Journal(_)));
        self.calls.called(JournalCall::Append, begun, is_error);
        match appended {
            Ok(()) if !seen.is_empty() => self.recorded(&claim.id, seen),
            Err(AppendError::Fenced { .. }) => {
                if let Some(held) = lock(&self.held).remove(&claim.id) {
                    held.handles.fenced.increment(1);
                }
            }
            _ => {}
        }
    }

    fn hold(&self, id: SagaId, handles: Arc<OneSaga>, started_at: SystemTime) {
        let held = CountedSaga {
            handles,
            started_at,
        };
        lock(&self.held).insert(id, held);
    }

    fn claimed(&self, claimed: &Claimed) {
        let record = &claimed.record;
        let handles = self.sagas.of(&record.saga.name);
        handles.claims.increment(1);
        // The claim that was not released counts, and not this one.
        if claimed.recoveries > 0 {
            handles.takeovers.increment(1);
        }
        self.hold(claimed.claim.id.clone(), handles, record.started_at);
    }

    /// Counts events that were recorded.
    fn recorded(&self, id: &SagaId, seen: &[Seen]) {
        let has_ended = seen
            .iter()
            .any(|seen| matches!(seen, Seen::Ended(_) | Seen::Stuck(_)));
        let mut held = lock(&self.held);
        let known = if has_ended {
            held.remove(id)
        } else {
            held.get(id).cloned()
        };
        drop(held);
        let Some(CountedSaga {
            handles,
            started_at,
        }) = known
        else {
            return;
        };
        for seen in seen {
            match seen {
                Seen::Ended(end) => {
                    let age = self.clock.now().duration_since(started_at);
                    handles.ended(*end, age.unwrap_or_default());
                }
                Seen::Stuck(code) => handles.stuck(code),
                Seen::Compensating => handles.compensating.increment(1),
                Seen::SetAside => handles.set_aside.increment(1),
            }
        }
    }
}

/// An event that is counted.
enum Seen {
    Ended(FinalState),
    Stuck(String),
    Compensating,
    SetAside,
}

impl Seen {
    fn of(event: &Event) -> Option<Self> {
        Some(match event {
            Event::Completed { .. } => Self::Ended(FinalState::Completed),
            Event::Compensated => Self::Ended(FinalState::Compensated),
            Event::Abandoned { .. } => Self::Ended(FinalState::Abandoned),
            Event::Stuck { reason } => Self::Stuck(reason.code.to_string()),
            Event::Compensating { .. } => Self::Compensating,
            Event::EventSetAside { .. } => Self::SetAside,
            _ => return None,
        })
    }
}

#[async_trait]
impl Journal for Metered {
    async fn start(&self, saga: NewSaga, worker: Option<&Lease>) -> Result<Started, JournalError> {
        let handles = self.sagas.of(&saga.name);
        let begun = self.calls.begin();
        let started = self.journal.start(saga, worker).await;
        self.calls
            .called(JournalCall::Start, begun, started.is_err());
        if let Ok(Started::New(claim)) = &started {
            handles.started.increment(1);
            if let Some(claim) = claim {
                self.hold(claim.id.clone(), handles, self.clock.now());
            }
        }
        started
    }

    #[cfg(feature = "postgres")]
    async fn start_in(
        &self,
        transaction: &mut sqlx::PgConnection,
        saga: NewSaga,
    ) -> Result<Started, JournalError> {
        let handles = self.sagas.of(&saga.name);
        let started = self.journal.start_in(transaction, saga).await;
        // The caller may still roll it back.
        if let Ok(Started::New(_)) = &started {
            handles.started.increment(1);
        }
        started
    }

    async fn claim(
        &self,
        worker: &Lease,
        definitions: &[SagaVersion],
        limit: usize,
    ) -> Result<Vec<Claimed>, JournalError> {
        let begun = self.calls.begin();
        let claimed = self.journal.claim(worker, definitions, limit).await;
        self.calls
            .called(JournalCall::Claim, begun, claimed.is_err());
        for claimed in claimed.iter().flatten() {
            self.claimed(claimed);
        }
        claimed
    }

    async fn claim_one(&self, worker: &Lease, id: &SagaId) -> Result<ClaimedOne, JournalError> {
        let begun = self.calls.begin();
        let claimed = self.journal.claim_one(worker, id).await;
        self.calls
            .called(JournalCall::Claim, begun, claimed.is_err());
        if let Ok(ClaimedOne::Claimed(claimed)) = &claimed {
            self.claimed(claimed);
        }
        claimed
    }

    async fn renew(&self, worker: &Lease) -> Result<Vec<SagaId>, JournalError> {
        let begun = self.calls.begin();
        let renewed = self.journal.renew(worker).await;
        self.calls
            .called(JournalCall::Renew, begun, renewed.is_err());
        renewed
    }

    async fn look(
        &self,
        worker: &Lease,
        definitions: &[SagaVersion],
    ) -> Result<Look, JournalError> {
        let begun = self.calls.begin();
        let look = self.journal.look(worker, definitions).await;
        self.calls.called(JournalCall::Renew, begun, look.is_err());
        look
    }

    async fn append(
        &self,
        claim: &Claim,
        first: u64,
        events: Vec<Event>,
    ) -> Result<(), AppendError> {
        let seen: Vec<Seen> = events.iter().filter_map(Seen::of).collect();
        let begun = self.calls.begin();
        let appended = self.journal.append(claim, first, events).await;
        self.appended(claim, begun, &seen, &appended);
        appended
    }

    async fn append_and_release(
        &self,
        claim: &Claim,
        first: u64,
        events: Vec<Event>,
        in_doubt: bool,
        rest: Wakeup,
    ) -> Result<(), AppendError> {
        let seen: Vec<Seen> = events.iter().filter_map(Seen::of).collect();
        let begun = self.calls.begin();
        let appended = self
            .journal
            .append_and_release(claim, first, events, in_doubt, rest)
            .await;
        self.appended(claim, begun, &seen, &appended);
        if appended.is_ok() {
            lock(&self.held).remove(&claim.id);
        }
        appended
    }

    async fn release(
        &self,
        claim: &Claim,
        in_doubt: bool,
        rest: Wakeup,
    ) -> Result<(), JournalError> {
        let begun = self.calls.begin();
        let released = self.journal.release(claim, in_doubt, rest).await;
        self.calls
            .called(JournalCall::Release, begun, released.is_err());
        if released.is_ok() {
            lock(&self.held).remove(&claim.id);
        }
        released
    }

    async fn next_rest(&self) -> Result<Option<SystemTime>, JournalError> {
        self.journal.next_rest().await
    }

    async fn request_cancel(&self, id: &SagaId, reason: &str) -> Result<bool, JournalError> {
        self.journal.request_cancel(id, reason).await
    }

    async fn load(&self, id: &SagaId) -> Result<Option<History>, JournalError> {
        self.journal.load(id).await
    }

    async fn record(&self, id: &SagaId) -> Result<Option<Record>, JournalError> {
        self.journal.record(id).await
    }

    async fn list(&self, filter: &Filter) -> Result<Page, JournalError> {
        self.journal.list(filter).await
    }

    async fn count(&self, filter: &Filter) -> Result<u64, JournalError> {
        self.journal.count(filter).await
    }

    async fn tally(&self) -> Result<Tally, JournalError> {
        self.journal.tally().await
    }

    async fn workers(&self) -> Result<Vec<WorkerTally>, JournalError> {
        self.journal.workers().await
    }

    async fn pause(&self, name: &str, reason: &str) -> Result<(), JournalError> {
        self.journal.pause(name, reason).await
    }

    async fn resume(&self, name: &str) -> Result<bool, JournalError> {
        self.journal.resume(name).await
    }

    async fn paused(&self) -> Result<Vec<Pause>, JournalError> {
        self.journal.paused().await
    }

    async fn call(&self, id: &SagaId) -> Result<Forwarded, JournalError> {
        self.journal.call(id).await
    }

    async fn post(&self, id: &SagaId, event: PostedEvent) -> Result<Forwarded, JournalError> {
        self.journal.post(id, event).await
    }

    async fn requests(&self, worker: &Worker) -> Result<Requests, JournalError> {
        self.journal.requests(worker).await
    }

    async fn watch(&self, id: &SagaId) -> Result<(), JournalError> {
        self.journal.watch(id).await
    }

    async fn purge(&self, before: SystemTime) -> Result<u64, JournalError> {
        self.journal.purge(before).await
    }

    async fn close(&self) {
        self.journal.close().await;
    }

    fn listen(&self, listener: Listener) {
        self.journal.listen(listener);
    }

    fn longest_lease(&self) -> Option<Duration> {
        self.journal.longest_lease()
    }

    fn clock(&self) -> Clock {
        self.clock
    }

    fn commit_count(&self) -> Option<u64> {
        self.journal.commit_count()
    }
}

impl<S: ?Sized + Send + Sync + 'static> Shared<S> {
    /// Tells what is open, in the journal and in this process, until the coordinator shuts down.
    pub(super) async fn tell_what_is_open(self: Arc<Self>) {
        let shutdown = self.tenure.shutdown.clone();
        let slots = self.slots.available_permits();
        let (calls, mut open) = (JournalHandles::new(), OpenHandles::default());
        loop {
            OpenHandles::slots(slots, slots.saturating_sub(self.slots.available_permits()));
            if let Some(commits) = self.journal.commit_count() {
                calls.committed(commits);
            }
            // An error is counted, and told, where the coordinator uses the journal.
            if let Ok(tally) = self.journal.tally().await {
                let stuck = tally.stuck.into_iter();
                open.stuck(stuck.map(|one| (one.name, one.code, one.sagas)));
                let now = self.policies.clock.now();
                open.open(tally.open.into_iter().map(|one| {
                    let age = now.duration_since(one.oldest).unwrap_or_default();
                    (one.name, one.state.name(), one.sagas, age.as_secs_f64())
                }));
            }
            open.paused(lock(&self.paused).iter().cloned());
            // Many processes look less often, each at a time of its own: the journal is asked as seldom as by a few.
            let period = PERIOD.max(self.rhythm.share(SHARE));
            let pause = tokio::time::sleep(period.mul_f64(0.5 + fastrand::f64()));
            if shutdown.run_until_cancelled(pause).await.is_none() {
                return;
            }
        }
    }
}
