//! A saga that waits is compensated when it is cancelled or its deadline passes.

use std::sync::Arc;

use saga_runtime::Cause;
use saga_runtime::coordinator::ExecuteError;
use saga_runtime::journal::{Memory, State};
use tokio::sync::Notify;

use super::{Asking, AskingTooLong, rests, started};
use crate::shop::{Answer, Shop, becomes, id};

#[tokio::test]
async fn a_saga_that_waits_is_compensated_at_once_when_it_is_cancelled() {
    let shop = Shop::default();
    let coordinator = started(&shop, Memory::new()).await;
    let handle = coordinator.submit("a", Asking {}).await.expect("it is new");
    rests(&coordinator, "a").await;
    let cancelled = coordinator.cancel(&id("a"), "not wanted any more").await;
    cancelled.expect("it can be undone");
    match handle.wait().await {
        Err(ExecuteError::Failed(error)) => {
            assert_eq!(*error.cause(), Cause::Cancelled);
            assert!(error.is_compensated(), "{error}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(shop.asked(), ["order", "cancel"]);
}

#[tokio::test]
async fn a_deadline_wakes_a_saga_that_waits() {
    let shop = Shop::default();
    let coordinator = started(&shop, Memory::new()).await;
    match coordinator.execute("a", AskingTooLong {}).await {
        Err(ExecuteError::Failed(error)) => assert_eq!(*error.cause(), Cause::DeadlineExceeded),
        other => panic!("{other:?}"),
    }
    assert_eq!(shop.asked(), ["order", "cancel"]);
}

#[tokio::test(start_paused = true)]
async fn a_saga_that_another_worker_has_cancelled_does_not_begin_to_wait() {
    let until = Arc::new(Notify::new());
    let shop = Shop::default().answers("order", [Answer::Waits(Arc::clone(&until))]);
    let journal = Memory::new();
    let first = started(&shop, journal.clone()).await;
    drop(first.submit("a", Asking {}).await.expect("it is new"));
    shop.is_asked("order").await;
    // Its holder learns of that when it renews its lease, long after `order` is answered.
    let second = started(&shop, journal).await;
    let cancelled = second.cancel(&id("a"), "changed my mind").await;
    cancelled.expect("it is not past a pivot");
    until.notify_one();
    becomes(&first, "a", State::Compensated).await;
    assert_eq!(shop.asked(), ["order", "cancel"]);
}
