//! A cancellation is a recorded request.

use std::sync::Arc;

use saga_runtime::Cause;
use saga_runtime::coordinator::{ExecuteError, OperatorError};
use saga_runtime::journal::{Memory, State};
use tokio::sync::Notify;

use crate::shop::{Answer, Sell, Shop, becomes, builder, id, in_memory, inspected, started};

#[tokio::test]
async fn the_current_attempt_ends_and_then_it_is_compensated() {
    let until = Arc::new(Notify::new());
    let shop = Shop::default().answers("charge", [Answer::Waits(Arc::clone(&until))]);
    let coordinator = in_memory(&shop).await;
    let handle = coordinator.submit("order-1", Sell { amount: 3 }).await;
    let handle = handle.expect("it is new");
    shop.is_asked("charge").await;
    handle
        .cancel("changed my mind")
        .await
        .expect("it is not too late");
    until.notify_one();
    match handle.wait().await {
        Err(ExecuteError::Failed(error)) => assert_eq!(*error.cause(), Cause::Cancelled),
        other => panic!("{other:?}"),
    }
    assert_eq!(shop.asked(), ["order", "charge", "refund", "cancel"]);
    let cancellation = inspected(&coordinator, "order-1").await.record.cancellation;
    assert_eq!(cancellation.expect("it is noted").reason, "changed my mind");
}

#[tokio::test]
async fn it_is_refused_after_the_pivot() {
    let until = Arc::new(Notify::new());
    let shop = Shop::default().answers("thank", [Answer::Waits(Arc::clone(&until))]);
    let coordinator = in_memory(&shop).await;
    let handle = coordinator.submit("order-1", Sell { amount: 3 }).await;
    let handle = handle.expect("it is new");
    shop.is_asked("thank").await;
    let refused = coordinator.cancel(&id("order-1"), "too late").await;
    assert!(
        matches!(refused, Err(OperatorError::PastPivot)),
        "{refused:?}"
    );
    until.notify_one();
    assert_eq!(handle.wait().await.expect("nothing fails"), 3);
    let refused = coordinator.cancel(&id("order-1"), "too late").await;
    assert!(
        matches!(refused, Err(OperatorError::Final(State::Completed))),
        "{refused:?}"
    );
    let refused = coordinator.cancel(&id("order-2"), "too late").await;
    assert!(
        matches!(refused, Err(OperatorError::Unknown)),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_saga_that_waits_is_cancelled_when_its_turn_comes() {
    let until = Arc::new(Notify::new());
    let shop = Shop::default().answers("order", [Answer::Waits(Arc::clone(&until))]);
    let coordinator = builder(&shop)
        .in_flight(1)
        .journal(Memory::new())
        .start()
        .await;
    let coordinator = coordinator.expect("the journal works");
    let first = coordinator.submit("order-1", Sell { amount: 1 }).await;
    let second = coordinator.submit("order-2", Sell { amount: 2 }).await;
    let second = second.expect("it is new");
    second
        .cancel("changed my mind")
        .await
        .expect("it is not too late");
    until.notify_one();
    match second.wait().await {
        Err(ExecuteError::Failed(error)) => assert_eq!(*error.cause(), Cause::Cancelled),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        first
            .expect("it is new")
            .wait()
            .await
            .expect("nothing fails"),
        1
    );
    assert_eq!(shop.asked(), ["order", "charge", "ship", "thank"]);
}

#[tokio::test]
async fn it_is_not_forgotten_when_the_process_ends() {
    let until = Arc::new(Notify::new());
    let shop = Shop::default().answers("charge", [Answer::Waits(Arc::clone(&until))]);
    let journal = Memory::new();
    let coordinator = started(&shop, journal.clone()).await;
    drop(coordinator.submit("order-1", Sell { amount: 3 }).await);
    shop.is_asked("charge").await;
    let cancelled = coordinator.cancel(&id("order-1"), "changed my mind").await;
    cancelled.expect("it is not too late");
    let shutdown = tokio::spawn({
        let coordinator = coordinator.clone();
        async move { coordinator.shutdown().await }
    });
    until.notify_one();
    shutdown.await.expect("it does not panic");
    let next = started(&shop, journal).await;
    becomes(&next, "order-1", State::Compensated).await;
}
