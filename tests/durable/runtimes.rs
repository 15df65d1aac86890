//! A coordinator that outlives its runtime, as one in a static does over several `#[tokio::test]`.

use std::sync::Arc;
use std::time::Duration;

use saga_runtime::coordinator::{ExecuteError, OperatorError, Rejected, SubmitError};
use saga_runtime::journal::{Journal, JournalError, Memory, Sqlite};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

use crate::shop::{Answer, Sell, Shop, started};

fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("there is memory")
}

/// Fails instead of waiting for ever.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    let answer = tokio::time::timeout(Duration::from_mins(1), future).await;
    answer.expect("it does not hang")
}

#[test]
fn a_coordinator_whose_runtime_has_ended_says_so_at_once() {
    let until = Arc::new(Notify::new());
    let shop = Shop::default().always("charge", Answer::Waits(until));
    let first = runtime();
    let (coordinator, handle) = first.block_on(async {
        let coordinator = started(&shop, Memory::new()).await;
        let handle = coordinator.submit("order-1", Sell { amount: 3 }).await;
        shop.is_asked("charge").await;
        (coordinator, handle.expect("it is new"))
    });
    let attached = coordinator.clone();
    drop(first);
    runtime().block_on(async {
        match soon(handle.wait()).await {
            Err(ExecuteError::InProgress { why, .. }) => assert!(why.contains("runtime"), "{why}"),
            other => panic!("{other:?}"),
        }
        let again = attached
            .attach::<Sell>("order-1")
            .await
            .expect("it is there");
        let waited = soon(again.wait()).await;
        assert!(
            matches!(waited, Err(ExecuteError::InProgress { .. })),
            "{waited:?}"
        );
        let submitted = soon(coordinator.submit("order-2", Sell { amount: 3 })).await;
        assert!(
            matches!(
                submitted,
                Err(SubmitError::Rejected(Rejected::RuntimeEnded))
            ),
            "{submitted:?}"
        );
        let retried = soon(coordinator.retry("order-1", "again")).await;
        assert!(
            matches!(retried, Err(OperatorError::RuntimeEnded)),
            "{retried:?}"
        );
        // The journal can be read.
        let inspected = soon(coordinator.inspect("order-1")).await;
        assert!(inspected.expect("the journal works").is_some());
        soon(coordinator.shutdown()).await;
    });
}

#[test]
fn one_that_waits_in_another_runtime_is_told() {
    let until = Arc::new(Notify::new());
    let shop = Shop::default().always("charge", Answer::Waits(until));
    let first = runtime();
    let handle = first.block_on(async {
        let coordinator = started(&shop, Memory::new()).await;
        let handle = coordinator.submit("order-1", Sell { amount: 3 }).await;
        shop.is_asked("charge").await;
        std::mem::forget(coordinator);
        handle.expect("it is new")
    });
    runtime().block_on(async {
        let mut waiting = std::pin::pin!(handle.wait());
        assert!(futures_util::poll!(&mut waiting).is_pending());
        first.shutdown_background();
        let waited = soon(waiting).await;
        assert!(
            matches!(waited, Err(ExecuteError::InProgress { .. })),
            "{waited:?}"
        );
    });
}

/// The saga belongs to the coordinator, and not to the runtime of its caller.
#[test]
fn a_saga_goes_on_when_the_runtime_of_its_caller_has_ended() {
    let until = Arc::new(Notify::new());
    let shop = Shop::default().answers("charge", [Answer::Waits(Arc::clone(&until))]);
    let first = runtime();
    let coordinator = first.block_on(started(&shop, Memory::new()));
    let second = runtime();
    let handle = second.block_on(coordinator.submit("order-1", Sell { amount: 3 }));
    let handle = handle.expect("it is new");
    drop(second);
    first.block_on(async {
        shop.is_asked("charge").await;
        until.notify_one();
        assert_eq!(soon(handle.wait()).await.expect("nothing fails"), 3);
        coordinator.shutdown().await;
    });
}

#[tokio::test]
async fn the_file_is_free_after_a_shutdown_although_handles_live() {
    let folder = tempfile::TempDir::new().expect("a folder for the test");
    let path = folder.path().join("shop.db");
    let until = Arc::new(Notify::new());
    let shop = Shop::default().answers("charge", [Answer::Waits(Arc::clone(&until))]);
    let journal = Sqlite::open(&path).await.expect("no other process uses it");
    let coordinator = started(&shop, journal).await;
    let handle = coordinator.submit("order-1", Sell { amount: 3 }).await;
    let handle = handle.expect("it is new");
    shop.is_asked("charge").await;
    until.notify_one();
    coordinator.shutdown().await;
    let journal = Sqlite::open(&path).await.expect("it is free again");
    let waited = handle.wait().await;
    assert!(
        matches!(waited, Err(ExecuteError::InProgress { .. })),
        "{waited:?}"
    );
    let refused = coordinator.inspect("order-1").await;
    assert!(matches!(refused, Err(JournalError::Closed)), "{refused:?}");
    let next = started(&shop, journal.clone()).await;
    let executed = next.execute("order-1", Sell { amount: 3 }).await;
    assert_eq!(executed.expect("nothing fails"), 3);
    // This handle of the journal is the test's own.
    next.shutdown().await;
    let inspected = journal.load(&"order-1".parse().expect("a valid id")).await;
    assert!(inspected.expect("the journal works").is_some());
}
