//! A coordinator that shuts down, or is dropped. Attempts end, nothing is compensated because of it, and the next one resumes.

mod handing_over;

use std::sync::Arc;
use std::time::Duration;

use saga_runtime::coordinator::{ExecuteError, Rejected, SubmitError};
use saga_runtime::journal::{Memory, Sqlite, State};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::shop::{Answer, Sell, Shop, becomes, builder, events, in_memory, inspected, started};

#[tokio::test]
async fn the_attempt_ends_and_is_written_down_and_the_next_process_goes_on() {
    let until = Arc::new(Notify::new());
    let shop = Shop::default().answers("charge", [Answer::Waits(Arc::clone(&until))]);
    let journal = Memory::new();
    let coordinator = started(&shop, journal.clone()).await;
    let handle = coordinator.submit("order-1", Sell { amount: 3 }).await;
    shop.is_asked("charge").await;
    let (waited, (), ()) = tokio::join!(
        handle.expect("it is new").wait(),
        coordinator.shutdown(),
        async { until.notify_one() }
    );
    assert!(
        matches!(waited, Err(ExecuteError::InProgress { .. })),
        "{waited:?}"
    );
    assert_eq!(
        events(&coordinator, "order-1").await,
        ["step_done", "step_done"]
    );
    let record = inspected(&coordinator, "order-1").await.record;
    assert_eq!((record.state, record.worker), (State::Waiting, None));
    let next = started(&shop, journal).await;
    let executed = next.execute("order-1", Sell { amount: 3 }).await;
    assert_eq!(executed.expect("nothing fails"), 3);
    assert_eq!(shop.asked(), ["order", "charge", "ship", "thank"]);
}

#[tokio::test]
async fn nothing_is_started_any_more() {
    let shop = Shop::default();
    let coordinator = in_memory(&shop).await;
    coordinator.shutdown().await;
    coordinator.shutdown().await;
    match coordinator.submit("order-1", Sell { amount: 3 }).await {
        Err(SubmitError::Rejected(Rejected::ShuttingDown)) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_step_that_is_retried_for_ever_does_not_hold_it_up() {
    let shop = Shop::default().always("thank", Answer::Refuses);
    let journal = Memory::new();
    let coordinator = started(&shop, journal.clone()).await;
    drop(coordinator.submit("order-1", Sell { amount: 3 }).await);
    shop.is_asked("thank").await;
    coordinator.shutdown().await;
    shop.behaves();
    let next = started(&shop, journal).await;
    let executed = next.execute("order-1", Sell { amount: 3 }).await;
    assert_eq!(executed.expect("nothing fails"), 3);
}

#[tokio::test]
async fn restarts_in_order_do_not_count_as_recoveries() {
    let shop = Shop::default().always("thank", Answer::Refuses);
    let journal = Memory::new();
    let coordinator = started(&shop, journal.clone()).await;
    drop(coordinator.submit("order-1", Sell { amount: 3 }).await);
    shop.is_asked("thank").await;
    coordinator.shutdown().await;
    for _ in 0..20 {
        let next = builder(&shop)
            .max_recoveries(3)
            .journal(journal.clone())
            .start()
            .await;
        let next = next.expect("the journal works");
        becomes(&next, "order-1", State::Running).await;
        next.shutdown().await;
    }
    shop.behaves();
    let next = started(&shop, journal).await;
    becomes(&next, "order-1", State::Completed).await;
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_is_dropped_shuts_down() {
    let until = Arc::new(Notify::new());
    let shop = Shop::default().answers("charge", [Answer::Waits(Arc::clone(&until))]);
    let journal = Memory::new();
    let coordinator = started(&shop, journal.clone()).await;
    drop(coordinator.submit("order-1", Sell { amount: 3 }).await);
    shop.is_asked("charge").await;
    drop(coordinator);
    until.notify_one();
    let next = started(&shop, journal).await;
    becomes(&next, "order-1", State::Completed).await;
    assert_eq!(shop.asked(), ["order", "charge", "ship", "thank"]);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_saga_that_waits_is_told_at_once() {
    let until = Arc::new(Notify::new());
    let shop = Shop::default().answers("order", [Answer::Waits(Arc::clone(&until))]);
    let builder = builder(&shop).in_flight(1).journal(Memory::new());
    let coordinator = builder.start().await.expect("the journal works");
    drop(coordinator.submit("order-1", Sell { amount: 1 }).await);
    shop.is_asked("order").await;
    let second = coordinator.submit("order-2", Sell { amount: 2 }).await;
    let waiting = tokio::spawn(second.expect("it is new").wait());
    let began = tokio::time::Instant::now();
    until.notify_one();
    coordinator.shutdown().await;
    let told = waiting.await.expect("no panic");
    assert!(
        matches!(told, Err(ExecuteError::InProgress { .. })),
        "{told:?}"
    );
    assert!(began.elapsed().as_secs() < 1, "{:?}", began.elapsed());
    // The first one has made room, and nothing is claimed any more.
    for (saga, epoch) in [("order-1", 1), ("order-2", 0)] {
        assert_eq!(inspected(&coordinator, saga).await.record.epoch, epoch);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_has_nothing_to_do_stops_at_once() {
    let folder = TempDir::new().expect("a folder for the test");
    let path = folder.path().join("sagas.db");
    // Somewhere on its way it is about to renew its lease, and waits for the journal.
    for steps in 0..20 {
        let journal = Sqlite::open(&path).await.expect("no other process uses it");
        let coordinator = started(&Shop::default(), journal).await;
        for _ in 0..steps {
            tokio::task::yield_now().await;
        }
        let began = Instant::now();
        coordinator.shutdown().await;
        assert_eq!(began.elapsed(), Duration::ZERO, "after {steps}");
    }
}
