//! A journal that can't be reached. No saga is lost, no outcome is guessed, and no caller hears that a saga has failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use saga_runtime::coordinator::{ExecuteError, Handle, StartError, SubmitError};
use saga_runtime::journal::{
    AppendError, Claim, Claimed, ClaimedOne, Event, Filter, History, Journal, JournalError, Lease,
    Memory, NewSaga, Page, SagaVersion, Started, State, Wakeup,
};
use saga_runtime::{Coordinator, EventName, SagaId};
use tokio::sync::Notify;

use crate::shop::{Answer, Sell, Shop, becomes, builder, id};

/// An event that no saga waits for.
const NEWS: EventName<String> = EventName::new("news");

/// A journal behind a line that can be cut. Clones are the same journal behind the same line.
#[derive(Clone, Default)]
struct Troubled {
    journal: Memory,
    is_down: Arc<AtomicBool>,
}

impl Troubled {
    fn line(&self) -> Result<&Memory, JournalError> {
        if self.is_down.load(Ordering::SeqCst) {
            return Err(JournalError::Unavailable {
                message: "the line is cut".to_owned(),
                source: None,
            });
        }
        Ok(&self.journal)
    }

    fn cut(&self) {
        self.is_down.store(true, Ordering::SeqCst);
    }

    fn mend(&self) {
        self.is_down.store(false, Ordering::SeqCst);
    }
}

#[async_trait]
impl Journal for Troubled {
    async fn start(&self, saga: NewSaga, worker: Option<&Lease>) -> Result<Started, JournalError> {
        self.line()?.start(saga, worker).await
    }

    async fn claim(
        &self,
        worker: &Lease,
        definitions: &[SagaVersion],
        limit: usize,
    ) -> Result<Vec<Claimed>, JournalError> {
        self.line()?.claim(worker, definitions, limit).await
    }

    async fn next_rest(&self) -> Result<Option<SystemTime>, JournalError> {
        self.line()?.next_rest().await
    }

    async fn claim_one(&self, worker: &Lease, id: &SagaId) -> Result<ClaimedOne, JournalError> {
        self.line()?.claim_one(worker, id).await
    }

    async fn renew(&self, worker: &Lease) -> Result<Vec<SagaId>, JournalError> {
        self.line()?.renew(worker).await
    }

    async fn append(
        &self,
        claim: &Claim,
        first: u64,
        events: Vec<Event>,
    ) -> Result<(), AppendError> {
        self.line()?.append(claim, first, events).await
    }

    async fn release(
        &self,
        claim: &Claim,
        in_doubt: bool,
        rest: Wakeup,
    ) -> Result<(), JournalError> {
        self.line()?.release(claim, in_doubt, rest).await
    }

    async fn request_cancel(&self, id: &SagaId, reason: &str) -> Result<bool, JournalError> {
        self.line()?.request_cancel(id, reason).await
    }

    async fn load(&self, id: &SagaId) -> Result<Option<History>, JournalError> {
        self.line()?.load(id).await
    }

    async fn list(&self, filter: &Filter) -> Result<Page, JournalError> {
        self.line()?.list(filter).await
    }

    async fn purge(&self, before: SystemTime) -> Result<u64, JournalError> {
        self.line()?.purge(before).await
    }
}

/// A saga whose `charge` is under way.
struct AtCharge {
    shop: Shop,
    coordinator: Coordinator<Shop>,
    handle: Handle<Shop, Sell>,
    /// Lets `charge` be answered.
    answer: Arc<Notify>,
}

/// Starts a saga, and cuts its journal while its `charge` is under way.
async fn cut_at_charge(journal: &Troubled) -> AtCharge {
    let answer = Arc::new(Notify::new());
    let shop = Shop::default().answers("charge", [Answer::Waits(Arc::clone(&answer))]);
    let coordinator = builder(&shop).journal(journal.clone()).start().await;
    let coordinator = coordinator.expect("the line is up");
    let handle = coordinator.submit("order-1", Sell { amount: 3 }).await;
    let handle = handle.expect("the line is up");
    shop.is_asked("charge").await;
    journal.cut();
    AtCharge {
        shop,
        coordinator,
        handle,
        answer,
    }
}

/// The same, and `charge` is answered then.
async fn cut_when_charged(journal: &Troubled) -> (Shop, Coordinator<Shop>, Handle<Shop, Sell>) {
    let at = cut_at_charge(journal).await;
    at.answer.notify_one();
    (at.shop, at.coordinator, at.handle)
}

#[tokio::test(start_paused = true)]
async fn a_short_cut_only_takes_time() {
    let journal = Troubled::default();
    let (shop, _coordinator, handle) = cut_when_charged(&journal).await;
    let waiting = tokio::spawn(handle.wait());
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!waiting.is_finished());
    assert_eq!(
        shop.asked(),
        ["order", "charge"],
        "nothing new is requested"
    );
    journal.mend();
    let executed = waiting.await.expect("no panic");
    assert_eq!(executed.expect("nothing fails"), 3);
    assert_eq!(shop.asked(), ["order", "charge", "ship", "thank"]);
}

#[tokio::test(start_paused = true)]
async fn after_the_lease_the_saga_is_released_and_its_caller_hears_that_it_is_in_progress() {
    let journal = Troubled::default();
    let (shop, coordinator, handle) = cut_when_charged(&journal).await;
    match handle.wait().await {
        Err(ExecuteError::InProgress { id, why, .. }) => {
            assert_eq!(id.as_str(), "order-1");
            assert!(why.contains("the line is cut"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(shop.asked(), ["order", "charge"]);
    // The same process resumes it once the journal is there again; the answer to `charge` was not recorded.
    journal.mend();
    becomes(&coordinator, "order-1", State::Completed).await;
    assert_eq!(shop.asked(), ["order", "charge", "charge", "ship", "thank"]);
}

#[tokio::test(start_paused = true)]
async fn another_worker_takes_over_and_the_first_can_not_write_any_more() {
    let journal = Troubled::default();
    let (shop, _first, handle) = cut_when_charged(&journal).await;
    // Only the first one's line is cut.
    let line = Troubled {
        journal: journal.journal.clone(),
        ..Troubled::default()
    };
    let second = builder(&shop).journal(line).start().await;
    let second = second.expect("the line is up");
    becomes(&second, "order-1", State::Completed).await;
    journal.mend();
    let told = handle.wait().await;
    assert!(
        matches!(told, Err(ExecuteError::InProgress { .. })),
        "{told:?}"
    );
    assert_eq!(shop.asked(), ["order", "charge", "charge", "ship", "thank"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_new_is_started() {
    let journal = Troubled::default();
    let shop = Shop::default();
    let coordinator = builder(&shop).journal(journal.clone()).start().await;
    let coordinator = coordinator.expect("the line is up");
    journal.cut();
    match coordinator.submit("order-1", Sell { amount: 3 }).await {
        Err(SubmitError::Journal(error)) => assert!(error.is_transient(), "{error}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(shop.asked(), [""; 0]);
    match builder(&shop).journal(journal).start().await {
        Err(StartError::Journal(error)) => assert!(error.is_transient(), "{error}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_lost_ends_without_harm_to_the_one_after_it() {
    let journal = Troubled::default();
    let answers: [Arc<Notify>; 3] = Default::default();
    let [first, second, third] = answers.each_ref().map(Arc::clone).map(Answer::Waits);
    let shop = Shop::default()
        .answers("order", [first, second])
        .answers("charge", [third]);
    let coordinator = builder(&shop).journal(journal.clone()).start().await;
    let coordinator = coordinator.expect("the line is up");
    let handle = coordinator.submit("order-1", Sell { amount: 3 }).await;
    let handle = handle.expect("it is new");
    shop.is_asked("order").await;
    journal.cut();
    // Another worker takes it over when the lease is over, and releases it after a step.
    let other = builder(&shop).journal(journal.journal.clone()).start();
    let other = other.await.expect("this line is up");
    while shop.asked().len() < 2 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    answers[1].notify_one();
    other.shutdown().await;
    journal.mend();
    // Now it runs twice here, and only the second run is worth something.
    shop.is_asked("charge").await;
    answers[0].notify_one();
    let told = handle.wait().await;
    assert!(
        matches!(told, Err(ExecuteError::InProgress { .. })),
        "{told:?}"
    );
    let cancelled = coordinator.cancel(&id("order-1"), "changed my mind").await;
    cancelled.expect("it is not past its pivot");
    answers[2].notify_one();
    becomes(&coordinator, "order-1", State::Compensated).await;
    assert_eq!(
        shop.asked(),
        ["order", "order", "charge", "refund", "cancel"]
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_requested_because_another_worker_could_not_write() {
    let journal = Troubled::default();
    let AtCharge {
        shop,
        coordinator,
        handle,
        answer: until,
    } = cut_at_charge(&journal).await;
    // The first one tries to write for as long as the lease holds, the second one waits for that. Then `charge` is answered,
    // and it is the second one that takes the answer to be written.
    let senders = ["first", "second"].map(|name| {
        let coordinator = coordinator.clone();
        tokio::spawn(async move {
            coordinator
                .send(&id("order-1"), NEWS, &name.to_owned())
                .await
        })
    });
    tokio::time::sleep(Duration::from_millis(1)).await;
    until.notify_one();
    for sender in senders {
        let sent = sender.await.expect("no panic");
        assert!(sent.is_err(), "{sent:?}");
    }
    match handle.wait().await {
        Err(ExecuteError::InProgress { .. }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(shop.asked(), ["order", "charge"]);
}
