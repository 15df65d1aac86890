//! A cancellation is a recorded request.

use std::collections::BTreeMap;
use std::sync::Arc;

use saga_runtime::coordinator::{Effect, ExecuteError, OperatorError};
use saga_runtime::journal::{Event, Journal, Memory, NewSaga, Reason, Sqlite, State};
use saga_runtime::{Cause, Context, Kind, saga};
use tempfile::TempDir;
use tokio::sync::Notify;

use crate::cut_off::Ended;
use crate::shop::{
    Answer, Refused, Sell, Shop, becomes, builder, charge, id, in_memory, inspected, order, started,
};

#[tokio::test]
async fn the_current_attempt_ends_and_then_it_is_compensated() {
    let until = Arc::new(Notify::new());
    let shop = Shop::default().answers("charge", [Answer::Waits(Arc::clone(&until))]);
    let coordinator = in_memory(&shop).await;
    let handle = coordinator.submit("order-1", Sell { amount: 3 }).await;
    let handle = handle.expect("it is new");
    shop.is_asked("charge").await;
    let cancelled = handle.cancel("changed my mind").await;
    assert_eq!(cancelled.expect("it is not too late"), Effect::Done);
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

saga!(
    /// A saga that can be undone up to its end.
    async fn take_twice(cx: Context<'_, Shop>) -> Result<(), Refused> {
        order(cx).await?;
        charge(cx).await?;
        Ok(())
    }
);

/// The answer to a cancellation, in a word.
fn answer(cancelled: &Result<Effect, OperatorError>) -> &'static str {
    match cancelled {
        Ok(Effect::Done) => "done",
        Ok(Effect::Requested) => "requested",
        Err(OperatorError::PastPivot) => "past its pivot",
        Err(OperatorError::Final(State::Completed)) => "completed",
        Err(OperatorError::Final(State::Compensated)) => "compensated",
        other => panic!("{other:?}"),
    }
}

/// Cancels sagas at any time, also at their end. Counts the answers, each with the end of the saga.
async fn races(journal: impl Journal, count: u32) -> BTreeMap<(&'static str, bool), u32> {
    let shop = Shop::default();
    let coordinator = builder(&shop)
        .register::<TakeTwice>()
        .journal(journal)
        .start()
        .await
        .expect("the journal works");
    let mut counted = BTreeMap::new();
    for race in 0..count {
        let saga = id(&format!("order-{race}"));
        // Every other one has a pivot.
        let ended = if race % 2 == 0 {
            let handle = coordinator.submit(saga.clone(), TakeTwice {}).await;
            tokio::spawn(async move { handle.expect("it is new").wait().await.is_ok() })
        } else {
            let handle = coordinator.submit(saga.clone(), Sell { amount: 1 }).await;
            tokio::spawn(async move { handle.expect("it is new").wait().await.is_ok() })
        };
        for _ in 0..(race / 2) % 40 {
            tokio::task::yield_now().await;
        }
        let cancelled = coordinator.cancel(saga, "changed my mind").await;
        let has_completed = ended.await.expect("it does not panic");
        *counted
            .entry((answer(&cancelled), has_completed))
            .or_default() += 1;
        if race % 2 == 0 {
            let answer = answer(&cancelled);
            assert!(["done", "completed"].contains(&answer), "{race}: {answer}");
        }
    }
    coordinator.shutdown().await;
    println!("{counted:?}");
    counted
}

/// The answer agrees with the end of every saga.
fn agree(counted: &BTreeMap<(&'static str, bool), u32>) {
    for (answer, has_completed) in counted.keys() {
        let agrees = match *answer {
            "done" | "compensated" => !has_completed,
            "completed" | "past its pivot" => *has_completed,
            // The pivot was under way.
            "requested" => true,
            other => panic!("{other}"),
        };
        assert!(
            agrees,
            "{answer}, but completed is {has_completed}: {counted:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_answer_agrees_with_the_end_of_the_saga_in_ten_thousand_races() {
    let counted = races(Memory::new(), 10_000).await;
    agree(&counted);
    for answer in [("done", false), ("completed", true)] {
        assert!(counted.contains_key(&answer), "no race: {counted:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_answer_agrees_with_the_end_of_the_saga_on_a_disk() {
    let folder = TempDir::new().expect("a folder for the test");
    let journal = Sqlite::open(folder.path().join("sagas.db")).await;
    agree(&races(journal.expect("it is new"), 500).await);
}

/// A saga that was cancelled at its end, by a process that ended before it was compensated.
#[tokio::test]
async fn a_saga_that_was_cancelled_at_its_end_is_compensated_by_the_next_process() {
    let shop = Shop::default();
    let journal = Memory::new();
    let events = ["order", "charge"].map(|step| crate::cut_off::done(step, Kind::Compensatable));
    let decision = Event::Compensating {
        step: None,
        reason: Reason::new("cancelled", "cancelled"),
    };
    let events = [&events[..], &[decision]].concat();
    let new = NewSaga {
        id: id("order-1"),
        name: "take_twice".to_owned(),
        version: 1,
        fingerprint: 0,
        input: "{}".to_owned(),
        trace: None,
    };
    crate::cut_off::cut_off(&journal, new, &events, Ended::Killed).await;
    let builder = builder(&shop).register::<TakeTwice>().journal(journal);
    let coordinator = builder.start().await.expect("the journal works");
    becomes(&coordinator, "order-1", State::Compensated).await;
    assert_eq!(shop.asked(), ["refund", "cancel"]);
}
