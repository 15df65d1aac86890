//! The moment in which a coordinator hands its sagas over, on a journal that fails or takes its time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use saga_runtime::coordinator::{Effect, SubmitError};
use saga_runtime::journal::{
    AppendError, Claim, Claimed, ClaimedOne, Event, Filter, History, Journal, JournalError, Lease,
    Listener, Memory, NewSaga, Page, SagaVersion, Signal, Started, State, Wakeup, Worker,
};
use saga_runtime::{Coordinator, SagaId};
use serde_json::json;
use tokio::sync::Notify;

use crate::shop::{Answer, Sell, Shop, becomes, id, inspected, started};

/// An answer of the journal that comes when the test says so.
#[derive(Default)]
struct Gate {
    /// The number of answers that wait here before those that do not.
    closed: AtomicUsize,
    reached: Notify,
    opens: Notify,
}

impl Gate {
    fn closed_once() -> Arc<Self> {
        let gate = Self::default();
        gate.closed.store(1, Ordering::SeqCst);
        Arc::new(gate)
    }

    async fn pass(&self) {
        if takes_one(&self.closed) {
            self.reached.notify_one();
            self.opens.notified().await;
        }
    }
}

/// Returns whether there was one left.
fn takes_one(left: &AtomicUsize) -> bool {
    let minus_one = |left: usize| left.checked_sub(1);
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, minus_one)
        .is_ok()
}

/// A journal in memory that fails or waits in some of its calls. Clones are the same journal.
#[derive(Clone, Default)]
struct Slow {
    journal: Memory,
    /// Behind it are the answers that a saga is handed over.
    handed_over: Arc<Gate>,
    /// Behind it are the answers to claims.
    claimed: Arc<Gate>,
    /// The number of calls that fail before one hands a saga over.
    failing: Arc<AtomicUsize>,
    /// The number of starts that fail.
    failing_starts: Arc<AtomicUsize>,
    listener: Arc<Mutex<Option<Listener>>>,
}

impl Slow {
    /// Tells the coordinator that something was asked of it.
    fn asks(&self) {
        let listener = self.listener.lock().expect("no panic");
        let listener = listener.as_ref().expect("the coordinator listens");
        assert!(listener(Signal::Asked));
    }
}

fn away() -> JournalError {
    JournalError::Unavailable {
        message: "the line is cut".to_owned(),
        source: None,
    }
}

#[async_trait]
impl Journal for Slow {
    async fn start(&self, saga: NewSaga, worker: Option<&Lease>) -> Result<Started, JournalError> {
        if takes_one(&self.failing_starts) {
            return Err(away());
        }
        self.journal.start(saga, worker).await
    }

    async fn claim(
        &self,
        worker: &Lease,
        definitions: &[SagaVersion],
        limit: usize,
    ) -> Result<Vec<Claimed>, JournalError> {
        let claimed = self.journal.claim(worker, definitions, limit).await;
        if claimed.as_ref().is_ok_and(|claimed| !claimed.is_empty()) {
            self.claimed.pass().await;
        }
        claimed
    }

    async fn next_rest(&self) -> Result<Option<SystemTime>, JournalError> {
        self.journal.next_rest().await
    }

    async fn claim_one(&self, worker: &Lease, id: &SagaId) -> Result<ClaimedOne, JournalError> {
        self.journal.claim_one(worker, id).await
    }

    async fn renew(&self, worker: &Lease) -> Result<Vec<SagaId>, JournalError> {
        self.journal.renew(worker).await
    }

    async fn append(
        &self,
        claim: &Claim,
        first: u64,
        events: Vec<Event>,
    ) -> Result<(), AppendError> {
        self.journal.append(claim, first, events).await
    }

    async fn release(
        &self,
        claim: &Claim,
        in_doubt: bool,
        rest: Wakeup,
    ) -> Result<(), JournalError> {
        self.journal.release(claim, in_doubt, rest).await
    }

    async fn append_and_release(
        &self,
        claim: &Claim,
        first: u64,
        events: Vec<Event>,
        in_doubt: bool,
        rest: Wakeup,
    ) -> Result<(), AppendError> {
        if takes_one(&self.failing) {
            return Err(away().into());
        }
        let written = self
            .journal
            .append_and_release(claim, first, events, in_doubt, rest)
            .await;
        self.handed_over.pass().await;
        written
    }

    async fn request_cancel(&self, id: &SagaId, reason: &str) -> Result<bool, JournalError> {
        self.journal.request_cancel(id, reason).await
    }

    async fn load(&self, id: &SagaId) -> Result<Option<History>, JournalError> {
        self.journal.load(id).await
    }

    async fn list(&self, filter: &Filter) -> Result<Page, JournalError> {
        self.journal.list(filter).await
    }

    async fn purge(&self, before: SystemTime) -> Result<u64, JournalError> {
        self.journal.purge(before).await
    }

    fn listen(&self, listener: Listener) {
        *self.listener.lock().expect("no panic") = Some(listener);
    }
}

/// A coordinator that shuts down while these sagas wait for `charge`, which then gives its answer.
async fn shuts_down<const SAGAS: usize>(
    journal: &Slow,
    sagas: [&str; SAGAS],
) -> (Coordinator<Shop>, tokio::task::JoinHandle<()>) {
    let until = Arc::new(Notify::new());
    let answers = [(); SAGAS].map(|()| Answer::Waits(Arc::clone(&until)));
    let shop = Shop::default().answers("charge", answers);
    let coordinator = started(&shop, journal.clone()).await;
    for saga in sagas {
        drop(coordinator.submit(saga, Sell { amount: 3 }).await);
        shop.is_asked("charge").await;
    }
    let shutting_down = coordinator.clone();
    let shutdown = tokio::spawn(async move { shutting_down.shutdown().await });
    tokio::task::yield_now().await;
    for _ in sagas {
        until.notify_one();
    }
    (coordinator, shutdown)
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_meanwhile_is_recorded() {
    let handed_over = Gate::closed_once();
    let journal = Slow {
        handed_over: Arc::clone(&handed_over),
        ..Slow::default()
    };
    let (coordinator, shutdown) = shuts_down(&journal, ["order-1"]).await;
    handed_over.reached.notified().await;
    let value = json!(7);
    let sent = coordinator.send_json("order-1", "paid", &value);
    let (sent, ()) = tokio::join!(sent, async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        handed_over.opens.notify_one();
    });
    sent.expect("the saga goes on elsewhere");
    shutdown.await.expect("no panic");
    let history = journal.load(&id("order-1")).await;
    let history = history.expect("the journal works").expect("it is there");
    let entries = history.entries.expect("they can be read");
    let last = entries.last().expect("there are some");
    assert!(matches!(last.event, Event::Received { .. }), "{last:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_that_comes_meanwhile_promises_nothing() {
    let handed_over = Gate::closed_once();
    let journal = Slow {
        handed_over: Arc::clone(&handed_over),
        ..Slow::default()
    };
    let (coordinator, shutdown) = shuts_down(&journal, ["order-1"]).await;
    handed_over.reached.notified().await;
    // The next worker may have shipped it.
    let cancelled = coordinator.cancel("order-1", "changed my mind").await;
    assert_eq!(cancelled.expect("it is open"), Effect::Requested);
    handed_over.opens.notify_one();
    shutdown.await.expect("no panic");
}

/// Claims all sagas, as the next worker does.
async fn claimed_by_the_next(journal: &Slow) -> Vec<Claimed> {
    let lease = Lease {
        worker: Worker::new("next"),
        duration: Duration::from_hours(1),
    };
    let definitions = [SagaVersion::new("sell", 1)];
    let claimed = journal.journal.claim(&lease, &definitions, 9).await;
    claimed.expect("the journal works")
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_fails_for_a_moment_loses_no_outcome() {
    let journal = Slow::default();
    journal.failing.store(2, Ordering::SeqCst);
    let (_, shutdown) = shuts_down(&journal, ["order-1", "order-2"]).await;
    shutdown.await.expect("no panic");
    let claimed = claimed_by_the_next(&journal).await;
    assert_eq!(claimed.len(), 2);
    for one in claimed {
        assert_eq!((one.next, one.orderly, one.recoveries), (3, true, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_saga_that_can_not_be_handed_over_is_released_at_the_end() {
    let journal = Slow::default();
    journal.failing.store(usize::MAX, Ordering::SeqCst);
    let (_, shutdown) = shuts_down(&journal, ["order-1", "order-2"]).await;
    shutdown.await.expect("no panic");
    let claimed = claimed_by_the_next(&journal).await;
    assert_eq!(claimed.len(), 2);
    for one in claimed {
        // The outcome of the step is lost, and it is asked again.
        assert_eq!((one.next, one.orderly, one.recoveries), (2, false, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_being_claimed_is_not_released_as_unused() {
    let claimed = Gate::closed_once();
    let journal = Slow {
        claimed: Arc::clone(&claimed),
        ..Slow::default()
    };
    let (_, shutdown) = shuts_down(&journal, ["order-1"]).await;
    shutdown.await.expect("no panic");
    let shop = Shop::default();
    let coordinator = started(&shop, journal.clone()).await;
    claimed.reached.notified().await;
    // The answer to another claim is lost: now the coordinator looks for claims that it does not use.
    journal.failing_starts.store(1, Ordering::SeqCst);
    match coordinator.submit("order-2", Sell { amount: 3 }).await {
        Err(SubmitError::Journal(_)) => {}
        other => panic!("{other:?}"),
    }
    for _ in 0..3 {
        journal.asks();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(
        inspected(&coordinator, "order-1")
            .await
            .record
            .worker
            .is_some()
    );
    claimed.opens.notify_one();
    becomes(&coordinator, "order-1", State::Completed).await;
    assert_eq!(inspected(&coordinator, "order-1").await.record.epoch, 2);
}
