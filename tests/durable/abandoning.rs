//! An operator ends a saga as it is, whatever its state: `abandon` always leads to an end, which says what was left.

use std::sync::Arc;
use std::time::SystemTime;

use saga_runtime::Kind;
use saga_runtime::coordinator::{Coordinator, Effect, ExecuteError, OperatorError};
use saga_runtime::journal::{
    Event, Filter, Journal, Lease, Memory, NewSaga, Reason, Started, State, Worker,
};
use tokio::sync::Notify;

use crate::cut_off::{Ended, cut_off, done};
use crate::shop::{Answer, Sell, Shop, becomes, builder, id, in_memory, inspected, started};

const WHY: &str = "the customer is gone";

/// Abandons the saga `order-1`, of which these effects are left.
async fn is_abandoned(coordinator: &Coordinator<Shop>, left: &[&str]) {
    abandons(coordinator).await;
    has_ended(coordinator, left).await;
}

async fn abandons(coordinator: &Coordinator<Shop>) {
    let abandoned = coordinator.abandon("order-1", WHY).await;
    assert_eq!(abandoned.expect("it is open"), Effect::Done);
}

/// The saga `order-1` is abandoned for good, every caller is told so, and it can be removed.
async fn has_ended(coordinator: &Coordinator<Shop>, left: &[&str]) {
    let inspected = inspected(coordinator, "order-1").await;
    assert_eq!(inspected.record.state, State::Abandoned, "{inspected}");
    assert_eq!(inspected.left, left, "{inspected}");
    let text = inspected.to_string();
    assert!(
        text.contains("abandoned by hand: the customer is gone"),
        "{text}"
    );
    if !left.is_empty() {
        let list = format!("not undone: {}\n", left.join(", "));
        assert!(text.contains(&list), "{text}");
    }
    let filter = Filter::default().state(State::Abandoned);
    let listed = coordinator.list(&filter).await.expect("the journal works");
    assert_eq!(listed.sagas.len(), 1);
    for refused in [
        coordinator.abandon("order-1", "again").await.map(drop),
        coordinator.cancel("order-1", "again").await.map(drop),
        coordinator.retry("order-1", "again").await.map(drop),
    ] {
        assert!(
            matches!(refused, Err(OperatorError::Final(State::Abandoned))),
            "{refused:?}"
        );
    }
    if inspected.record.saga.name == "sell" && inspected.record.saga.input == "{\"amount\":3}" {
        match coordinator.execute("order-1", Sell { amount: 3 }).await {
            Err(ExecuteError::Abandoned(abandoned)) => {
                assert_eq!(
                    (&*abandoned.reason, &*abandoned.left),
                    (WHY, &*inspected.left)
                );
            }
            other => panic!("{other:?}"),
        }
    }
    let later = SystemTime::now() + std::time::Duration::from_hours(1);
    let purged = coordinator.purge(later).await.expect("the journal works");
    assert_eq!(purged, 1);
    let gone = coordinator.inspect("order-1").await;
    assert!(gone.expect("the journal works").is_none());
}

#[tokio::test]
async fn a_saga_that_waits_for_its_turn() {
    let until = Arc::new(Notify::new());
    let shop = Shop::default().answers("order", [Answer::Waits(Arc::clone(&until))]);
    let coordinator = builder(&shop).in_flight(1).journal(Memory::new());
    let coordinator = coordinator.start().await.expect("the journal works");
    let first = coordinator.submit("first", Sell { amount: 1 }).await;
    shop.is_asked("order").await;
    let second = coordinator.submit("order-1", Sell { amount: 3 }).await;
    let waiting = tokio::spawn(second.expect("it is new").wait());
    abandons(&coordinator).await;
    let heard = waiting.await.expect("it does not panic");
    assert!(
        matches!(heard, Err(ExecuteError::Abandoned(_))),
        "{heard:?}"
    );
    has_ended(&coordinator, &[]).await;
    until.notify_one();
    let first = first.expect("it is new").wait().await;
    assert_eq!(first.expect("nothing fails"), 1);
    assert_eq!(shop.asked(), ["order", "charge", "ship", "thank"]);
}

#[tokio::test]
async fn a_saga_with_an_attempt_under_way_ends_after_that() {
    let until = Arc::new(Notify::new());
    let shop = Shop::default().answers("charge", [Answer::Waits(Arc::clone(&until))]);
    let coordinator = in_memory(&shop).await;
    let handle = coordinator.submit("order-1", Sell { amount: 3 }).await;
    let waiting = tokio::spawn(handle.expect("it is new").wait());
    shop.is_asked("charge").await;
    let operator = coordinator.clone();
    let abandoning = tokio::spawn(async move { operator.abandon("order-1", WHY).await });
    // The operator's call is there when the attempt ends.
    let sound = coordinator.execute("sound", Sell { amount: 1 }).await;
    sound.expect("nothing fails");
    until.notify_one();
    let abandoned = abandoning.await.expect("it does not panic");
    assert_eq!(abandoned.expect("it is open"), Effect::Done);
    match waiting.await.expect("it does not panic") {
        Err(ExecuteError::Abandoned(abandoned)) => assert_eq!(
            abandoned.to_string(),
            "saga `order-1` was abandoned: the customer is gone; not undone: order, charge"
        ),
        other => panic!("{other:?}"),
    }
    let asked = shop.asked();
    assert!(!asked.iter().any(|one| one == "refund" || one == "cancel"));
    let ships = asked.iter().filter(|one| *one == "ship").count();
    assert_eq!(ships, 1, "the one of the sound saga");
}

#[tokio::test]
async fn a_step_that_is_retried_for_ever() {
    let shop = Shop::default().always("thank", Answer::Refuses);
    let coordinator = in_memory(&shop).await;
    drop(coordinator.submit("order-1", Sell { amount: 3 }).await);
    shop.is_asked("thank").await;
    // Each attempt was refused: nothing of it is left.
    is_abandoned(&coordinator, &["order", "charge", "ship"]).await;
}

#[tokio::test]
async fn a_step_that_is_retried_and_gives_no_answer() {
    let shop = Shop::default().always("thank", Answer::Panics);
    let coordinator = in_memory(&shop).await;
    drop(coordinator.submit("order-1", Sell { amount: 3 }).await);
    shop.is_asked("thank").await;
    // Its record names it, so that nothing is unknown.
    is_abandoned(&coordinator, &["order", "charge", "ship", "thank"]).await;
}

#[tokio::test]
async fn a_compensation_that_failed_for_good() {
    let shop = Shop::default()
        .always("ship", Answer::Refuses)
        .always("refund", Answer::Refuses);
    let coordinator = in_memory(&shop).await;
    drop(coordinator.submit("order-1", Sell { amount: 3 }).await);
    becomes(&coordinator, "order-1", State::Stuck).await;
    is_abandoned(&coordinator, &["charge"]).await;
}

#[tokio::test]
async fn a_pivot_in_doubt() {
    let shop = Shop::default().always("ship", Answer::Panics);
    let coordinator = in_memory(&shop).await;
    drop(coordinator.submit("order-1", Sell { amount: 3 }).await);
    becomes(&coordinator, "order-1", State::Stuck).await;
    is_abandoned(&coordinator, &["order", "charge", "ship"]).await;
}

/// A saga of this name that another process has left after these entries.
async fn found(name: &str, input: &str, events: &[Event], ended: Ended) -> Coordinator<Shop> {
    let journal = Memory::new();
    let new = NewSaga {
        id: id("order-1"),
        name: name.to_owned(),
        version: 1,
        fingerprint: 0,
        input: input.to_owned(),
        trace: None,
    };
    cut_off(&journal, new, events, ended).await;
    started(&Shop::default(), journal).await
}

const INPUT: &str = "{\"amount\":3}";

#[tokio::test]
async fn a_definition_that_has_changed() {
    let pay = [done("pay", Kind::Compensatable)];
    for (ended, left) in [
        (Ended::Orderly, &["pay"][..]),
        // A step after it may have been requested.
        (Ended::Killed, &["pay", "?"]),
    ] {
        let coordinator = found("sell", INPUT, &pay, ended).await;
        becomes(&coordinator, "order-1", State::Stuck).await;
        is_abandoned(&coordinator, left).await;
    }
}

#[tokio::test]
async fn an_input_that_can_not_be_read() {
    let coordinator = found("sell", "{\"price\":3}", &[], Ended::Orderly).await;
    becomes(&coordinator, "order-1", State::Stuck).await;
    is_abandoned(&coordinator, &[]).await;
}

#[tokio::test]
async fn a_history_that_makes_no_sense() {
    let events = [
        done("order", Kind::Compensatable),
        Event::Compensating {
            step: None,
            reason: Reason::new("error", "declined"),
        },
        done("charge", Kind::Compensatable),
    ];
    let coordinator = found("sell", INPUT, &events, Ended::Orderly).await;
    becomes(&coordinator, "order-1", State::Stuck).await;
    is_abandoned(&coordinator, &["order", "?"]).await;
}

#[tokio::test]
async fn a_definition_that_is_not_registered() {
    let events = [done("look", Kind::NothingToUndo), done("pay", Kind::Pivot)];
    let coordinator = found("refund", INPUT, &events, Ended::Orderly).await;
    is_abandoned(&coordinator, &["pay"]).await;
}

#[tokio::test]
async fn what_is_not_there_or_held_elsewhere_is_refused() {
    let journal = Memory::new();
    let other = Lease {
        worker: Worker::new("other"),
        duration: std::time::Duration::from_mins(10),
    };
    let new = NewSaga {
        id: id("order-1"),
        name: "sell".to_owned(),
        version: 1,
        fingerprint: 0,
        input: INPUT.to_owned(),
        trace: None,
    };
    let start = journal.start(new, Some(&other)).await;
    assert!(matches!(start, Ok(Started::New(Some(_)))), "{start:?}");
    let coordinator = started(&Shop::default(), journal).await;
    let refused = coordinator.abandon("order-1", WHY).await;
    assert!(
        matches!(&refused, Err(OperatorError::Held(worker)) if *worker == other.worker),
        "{refused:?}"
    );
    let refused = coordinator.abandon("order-2", WHY).await;
    assert!(
        matches!(refused, Err(OperatorError::Unknown)),
        "{refused:?}"
    );
}
