//! One saga per id, for any number of starts by any number of callers.

use std::sync::Arc;

use futures_util::future::join_all;
use saga_runtime::coordinator::{ExecuteError, Rejected, SubmitError};
use saga_runtime::journal::{Memory, State};
use saga_runtime::{Cause, InvalidSagaId, SagaId};
use tokio::sync::Notify;

use crate::shop::{Answer, Refused, Sell, Shop, builder, events, id, in_memory, started};

#[tokio::test]
async fn of_many_starts_at_once_exactly_one_runs_and_all_get_its_result() {
    let shop = Shop::default();
    let coordinator = in_memory(&shop).await;
    let executions = (0..64).map(|_| coordinator.execute("order-1", Sell { amount: 3 }));
    for executed in join_all(executions).await {
        assert_eq!(executed.expect("nothing fails"), 3);
    }
    assert_eq!(shop.asked(), ["order", "charge", "ship", "thank"]);
}

#[tokio::test]
async fn a_start_after_the_end_gets_the_result_that_is_written_down() {
    let shop = Shop::default();
    let journal = Memory::new();
    let coordinator = started(&shop, journal.clone()).await;
    let executed = coordinator.execute("order-1", Sell { amount: 3 }).await;
    assert_eq!(executed.expect("nothing fails"), 3);
    coordinator.shutdown().await;
    let next = started(&shop, journal).await;
    let executed = next.execute("order-1", Sell { amount: 3 }).await;
    assert_eq!(executed.expect("nothing fails"), 3);
    assert_eq!(shop.asked().len(), 4);
}

#[tokio::test]
async fn the_one_who_started_it_and_all_others_get_the_typed_error() {
    let until = Arc::new(Notify::new());
    let shop = Shop::default()
        .answers("order", [Answer::Waits(Arc::clone(&until))])
        .answers("charge", [Answer::Refuses]);
    let coordinator = in_memory(&shop).await;
    let first = coordinator.submit("order-1", Sell { amount: 3 }).await;
    let second = coordinator.submit("order-1", Sell { amount: 3 }).await;
    let third = coordinator.attach::<Sell>(&id("order-1")).await;
    until.notify_one();
    let failed = match first.expect("it is new").wait().await {
        Err(ExecuteError::Failed(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(*failed.cause(), Cause::Error(Refused("charge".to_owned())));
    for handle in [second.expect("it is the same"), third.expect("it is there")] {
        let recorded = match handle.wait().await {
            Err(ExecuteError::Failed(error)) => error,
            other => panic!("{other:?}"),
        };
        assert_eq!(recorded.to_string(), failed.to_string());
        assert_eq!(recorded.cause(), failed.cause());
        assert_eq!(recorded.step(), Some("charge"));
        assert!(recorded.is_compensated());
        assert_eq!(recorded.compensations(), failed.compensations());
    }
}

#[tokio::test]
async fn another_input_under_the_same_id_is_a_conflict() {
    let shop = Shop::default();
    let coordinator = in_memory(&shop).await;
    let executed = coordinator.execute("order-1", Sell { amount: 3 }).await;
    executed.expect("nothing fails");
    match coordinator.execute("order-1", Sell { amount: 4 }).await {
        Err(ExecuteError::NotStarted(SubmitError::Conflict { id, name })) => {
            assert_eq!((id.as_str(), name.as_str()), ("order-1", "sell"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(shop.asked().len(), 4);
}

#[tokio::test]
async fn an_id_is_any_text_up_to_its_limit() {
    let shop = Shop::default();
    let coordinator = in_memory(&shop).await;
    let long = "x".repeat(256);
    for id in ["a", "Bestellung Nº 17 / 🙂", &long] {
        let executed = coordinator.execute(id, Sell { amount: 3 }).await;
        executed.expect("nothing fails");
    }
    let executed = coordinator
        .execute(SagaId::generate(), Sell { amount: 3 })
        .await;
    executed.expect("nothing fails");
    match coordinator
        .execute("x".repeat(257), Sell { amount: 3 })
        .await
    {
        Err(ExecuteError::NotStarted(SubmitError::Rejected(Rejected::Id(error)))) => {
            assert_eq!(error, InvalidSagaId::TooLong { bytes: 257 });
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_input_that_is_too_large_is_not_started() {
    let shop = Shop::default();
    let coordinator = builder(&shop)
        .payload_limit(8)
        .journal(Memory::new())
        .start()
        .await;
    let coordinator = coordinator.expect("the journal works");
    match coordinator.execute("order-1", Sell { amount: 3 }).await {
        Err(ExecuteError::NotStarted(SubmitError::Rejected(rejected))) => {
            let text = rejected.to_string();
            assert!(
                text.starts_with("the input has 12 bytes as JSON, and 8 are allowed"),
                "{text}"
            );
        }
        other => panic!("{other:?}"),
    }
    assert!(
        coordinator
            .inspect(&id("order-1"))
            .await
            .expect("it works")
            .is_none()
    );
}

#[tokio::test]
async fn what_finds_no_slot_waits_in_the_journal_and_runs_in_its_turn() {
    let until = Arc::new(Notify::new());
    let shop = Shop::default().answers("order", [Answer::Waits(Arc::clone(&until))]);
    let coordinator = builder(&shop)
        .in_flight(1)
        .journal(Memory::new())
        .start()
        .await;
    let coordinator = coordinator.expect("the journal works");
    let mut handles = Vec::new();
    for order in 0..10 {
        let submitted = coordinator
            .submit(format!("order-{order}"), Sell { amount: order })
            .await;
        handles.push(submitted.expect("it is new"));
    }
    shop.is_asked("order").await;
    assert_eq!(shop.asked(), ["order"]);
    let status = handles[9].status().await.expect("it works");
    assert_eq!(status, Some(State::Waiting));
    until.notify_one();
    for (amount, handle) in (0..10).zip(handles) {
        assert_eq!(handle.wait().await.expect("nothing fails"), amount);
    }
}

#[tokio::test]
async fn dropping_the_handle_or_the_future_changes_nothing() {
    let until = Arc::new(Notify::new());
    let shop = Shop::default().answers("charge", [Answer::Waits(Arc::clone(&until))]);
    let coordinator = in_memory(&shop).await;
    drop(coordinator.submit("order-1", Sell { amount: 3 }).await);
    shop.is_asked("charge").await;
    let watching = coordinator.execute("order-1", Sell { amount: 3 });
    let limit = std::time::Duration::from_millis(5);
    assert!(tokio::time::timeout(limit, watching).await.is_err());
    until.notify_one();
    let executed = coordinator.execute("order-1", Sell { amount: 3 }).await;
    assert_eq!(executed.expect("nothing fails"), 3);
}

#[tokio::test]
async fn a_saga_of_n_steps_has_n_entries_and_its_end() {
    let shop = Shop::default();
    let coordinator = in_memory(&shop).await;
    let executed = coordinator.execute("order-1", Sell { amount: 3 }).await;
    executed.expect("nothing fails");
    let names = [
        "step_done",
        "step_done",
        "step_done",
        "step_done",
        "completed",
    ];
    assert_eq!(events(&coordinator, "order-1").await, names);
}

#[tokio::test]
async fn one_that_had_to_wait_gets_its_typed_error_as_well() {
    let until = Arc::new(Notify::new());
    let shop = Shop::default()
        .answers("order", [Answer::Waits(Arc::clone(&until))])
        .always("charge", Answer::Refuses);
    let coordinator = builder(&shop)
        .in_flight(1)
        .journal(Memory::new())
        .start()
        .await;
    let coordinator = coordinator.expect("the journal works");
    let first = coordinator.submit("order-1", Sell { amount: 1 }).await;
    let second = coordinator.submit("order-2", Sell { amount: 2 }).await;
    let again = coordinator.submit("order-2", Sell { amount: 2 }).await;
    until.notify_one();
    for handle in [first, second] {
        match handle.expect("it is new").wait().await {
            Err(ExecuteError::Failed(error)) => {
                assert_eq!(*error.cause(), Cause::Error(Refused("charge".to_owned())));
            }
            other => panic!("{other:?}"),
        }
    }
    match again.expect("it is the same").wait().await {
        Err(ExecuteError::Failed(error)) => {
            assert_eq!(*error.cause(), Cause::Error(Refused("charge".to_owned())));
        }
        other => panic!("{other:?}"),
    }
}
