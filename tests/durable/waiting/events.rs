//! Events end waits: in order, each of them one.

use std::time::Duration;

use saga_runtime::EventName;
use saga_runtime::coordinator::OperatorError;
use saga_runtime::journal::{Journal as _, Memory, State};

use super::{
    APPROVED, Asking, AskingForAWhile, AskingTwice, CONFIRMED, Napping, by, rests, started, waits,
};
use crate::shop::{Shop, id, inspected};

#[tokio::test]
async fn an_event_that_comes_while_the_saga_waits_ends_the_wait() {
    let shop = Shop::default();
    let coordinator = started(&shop, Memory::new()).await;
    let handle = coordinator.submit("a", Asking {}).await.expect("it is new");
    rests(&coordinator, "a").await;
    assert_eq!(shop.asked(), ["order"]);
    let sent = coordinator.send(&id("a"), APPROVED, &by("Ann")).await;
    sent.expect("it waits for that");
    assert_eq!(handle.wait().await.expect("nothing fails"), "Ann");
    assert_eq!(shop.asked(), ["order", "charge"], "nothing is asked twice");
    assert_eq!(
        waits(&coordinator, "a").await,
        [
            "event:approved begun",
            "received approved",
            "event:approved: event 0"
        ]
    );
}

#[tokio::test]
async fn an_event_that_comes_before_the_wait_is_kept() {
    let until = std::sync::Arc::new(tokio::sync::Notify::new());
    let waiting = crate::shop::Answer::Waits(until.clone());
    let shop = Shop::default().answers("order", [waiting]);
    let coordinator = started(&shop, Memory::new()).await;
    let handle = coordinator.submit("a", Asking {}).await.expect("it is new");
    shop.is_asked("order").await;
    let sent = coordinator.send(&id("a"), APPROVED, &by("Ann")).await;
    sent.expect("it is there");
    until.notify_one();
    assert_eq!(handle.wait().await.expect("nothing fails"), "Ann");
    assert_eq!(
        waits(&coordinator, "a").await,
        ["received approved", "event:approved: event 0"],
        "it has not waited"
    );
}

#[tokio::test]
async fn an_event_that_no_wait_asks_for_wakes_no_saga() {
    let shop = Shop::default();
    let coordinator = started(&shop, Memory::new()).await;
    let handle = coordinator.submit("a", Asking {}).await.expect("it is new");
    rests(&coordinator, "a").await;
    for number in 0..10 {
        let sent = coordinator.send(&id("a"), CONFIRMED, &number).await;
        sent.expect("it is kept");
    }
    let sent = coordinator.send(&id("a"), APPROVED, &by("Ann")).await;
    sent.expect("it waits for that");
    assert_eq!(handle.wait().await.expect("nothing fails"), "Ann");
    // The start, each of the events, and the one wake-up.
    let claims = inspected(&coordinator, "a").await.record.epoch;
    assert_eq!(claims, 1 + 11 + 1);
}

#[tokio::test]
async fn an_event_that_no_wait_asks_for_does_not_move_the_end_of_a_wait() {
    let (shop, journal) = (Shop::default(), Memory::new());
    let coordinator = started(&shop, journal.clone()).await;
    let millis = 3_600_000;
    let napping = coordinator.submit("a", Napping { millis }).await;
    drop(napping.expect("it is new"));
    rests(&coordinator, "a").await;
    let before = journal.next_rest().await.expect("it is in memory");
    assert!(before.is_some());
    let sent = coordinator.send(&id("a"), CONFIRMED, &1).await;
    sent.expect("it is kept");
    let after = journal.next_rest().await.expect("it is in memory");
    assert_eq!(after, before);
}

#[tokio::test]
async fn each_event_ends_one_wait_the_oldest_first() {
    let shop = Shop::default();
    let coordinator = started(&shop, Memory::new()).await;
    let handle = coordinator
        .submit("a", AskingTwice {})
        .await
        .expect("it is new");
    rests(&coordinator, "a").await;
    for number in [1, 2, 3] {
        let sent = coordinator.send(&id("a"), CONFIRMED, &number).await;
        match sent {
            Ok(()) => {}
            Err(OperatorError::Final(State::Completed)) if number == 3 => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(handle.wait().await.expect("nothing fails"), (1, 2));
}

#[tokio::test]
async fn an_inspection_says_what_a_saga_waits_for() {
    let shop = Shop::default();
    let coordinator = started(&shop, Memory::new()).await;
    let handle = coordinator
        .submit("a", AskingTwice {})
        .await
        .expect("it is new");
    for number in [1, 2] {
        rests(&coordinator, "a").await;
        let waiting = inspected(&coordinator, "a").await;
        let waits: Vec<_> = waiting.waits.iter().map(|one| one.call.event()).collect();
        assert_eq!(waits, [Some("confirmed")]);
        assert!(waiting.awaits(CONFIRMED) && !waiting.awaits(APPROVED));
        assert!(
            waiting
                .to_string()
                .contains("\n  waits for event:confirmed"),
            "{waiting}"
        );
        let sent = coordinator.send(&id("a"), CONFIRMED, &number).await;
        sent.expect("it waits for that");
        // It may still be suspended, but the event is in the journal.
        let sent = inspected(&coordinator, "a").await;
        let went_on = sent.waits.is_empty() || sent.entries.len() > waiting.entries.len() + 1;
        assert!(went_on, "{sent}");
    }
    handle.wait().await.expect("nothing fails");
    assert_eq!(inspected(&coordinator, "a").await.waits, []);

    let millis = 3_600_000;
    let asking = coordinator.submit("b", AskingForAWhile { millis }).await;
    rests(&coordinator, "b").await;
    let waiting = inspected(&coordinator, "b").await;
    let until = waiting.waits[0].until.expect("there is a limit");
    let limit = until.duration_since(waiting.record.started_at);
    assert!(limit.expect("it is later") >= Duration::from_millis(millis));
    let cancelled = coordinator.cancel(&id("b"), "not wanted any more").await;
    cancelled.expect("it can be undone");
    let ended = asking.expect("it is new").wait().await;
    ended.expect_err("it is cancelled");
    assert_eq!(inspected(&coordinator, "b").await.waits, []);
}

#[tokio::test]
async fn nothing_is_sent_to_a_saga_that_is_not_there_or_has_ended() {
    let shop = Shop::default();
    let coordinator = started(&shop, Memory::new()).await;
    let sent = coordinator.send(&id("a"), CONFIRMED, &1).await;
    assert!(matches!(sent, Err(OperatorError::Unknown)), "{sent:?}");
    let ended = coordinator
        .execute("b", AskingForAWhile { millis: 1 })
        .await;
    assert_eq!(ended.expect("nothing fails"), None);
    let sent = coordinator.send(&id("b"), CONFIRMED, &1).await;
    let completed = matches!(sent, Err(OperatorError::Final(State::Completed)));
    assert!(completed, "{sent:?}");
}

#[tokio::test]
async fn an_event_with_a_key_is_taken_once_however_often_it_is_sent() {
    let shop = Shop::default();
    let journal = Memory::new();
    let coordinator = started(&shop, journal.clone()).await;
    let handle = coordinator.submit("a", AskingTwice {}).await;
    let handle = handle.expect("it is new");
    rests(&coordinator, "a").await;
    for _ in 0..3 {
        let sent = coordinator.send_once("a", CONFIRMED, "mail-1", &1).await;
        sent.expect("it waits for that");
    }
    rests(&coordinator, "a").await;
    // Also to a process that has only read of the first one.
    let next = started(&shop, journal).await;
    let again = next.send_once("a", CONFIRMED, "mail-1", &1).await;
    again.expect("it was sent before");
    next.shutdown().await;
    rests(&coordinator, "a").await;
    // Another name or another key is another event.
    let other = coordinator
        .send_once("a", APPROVED, "mail-1", &by("Ann"))
        .await;
    other.expect("it is kept");
    let second = coordinator.send_once("a", CONFIRMED, "mail-2", &2).await;
    second.expect("it waits for that");
    assert_eq!(handle.wait().await.expect("nothing fails"), (1, 2));
    let received: Vec<_> = waits(&coordinator, "a").await;
    let received = received.iter().filter(|one| one.starts_with("received"));
    assert_eq!(received.count(), 3);
    // A sender may ask again when the saga has ended.
    let again = coordinator.send_once("a", CONFIRMED, "mail-1", &1).await;
    again.expect("it was sent before");
    let late = coordinator.send_once("a", CONFIRMED, "mail-3", &3).await;
    let is_late = matches!(late, Err(OperatorError::Final(State::Completed)));
    assert!(is_late, "{late:?}");
}

/// An older sender has another idea of the event.
const OLD_APPROVED: EventName<u32> = EventName::new("approved");

#[tokio::test]
async fn an_event_that_the_saga_can_not_read_is_set_aside_and_the_wait_goes_on() {
    let shop = Shop::default();
    let journal = Memory::new();
    let coordinator = started(&shop, journal.clone()).await;
    drop(coordinator.submit("a", Asking {}).await);
    rests(&coordinator, "a").await;
    let sent = coordinator.send("a", OLD_APPROVED, &17).await;
    sent.expect("it is recorded");
    let set_aside = async {
        while inspected(&coordinator, "a").await.set_aside.is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    set_aside.await;
    let inspected = inspected(&coordinator, "a").await;
    assert_eq!(inspected.set_aside[0].event, "approved");
    assert!(inspected.awaits(APPROVED), "{inspected}");
    let text = inspected.to_string();
    assert!(
        text.contains(
            "event approved set aside, since it can't be read: invalid type: integer `17`"
        ),
        "{text}"
    );
    // Also after a restart. The right one is sent like any other.
    coordinator.shutdown().await;
    let next = started(&shop, journal).await;
    let sent = next.send("a", APPROVED, &by("Ann")).await;
    sent.expect("it waits for that");
    let handle = next.attach::<Asking>("a").await.expect("it is there");
    assert_eq!(handle.wait().await.expect("nothing fails"), "Ann");
    assert_eq!(shop.asked(), ["order", "charge"]);
}

#[tokio::test]
async fn an_event_that_was_set_aside_is_replaced_under_its_key_by_the_sender_or_by_an_operator() {
    for has_restarted in [false, true] {
        let shop = Shop::default();
        let journal = Memory::new();
        let mut coordinator = started(&shop, journal.clone()).await;
        for id in ["by-sender", "by-operator"] {
            drop(coordinator.submit(id, Asking {}).await);
            let sent = coordinator.send_once(id, OLD_APPROVED, "mail-1", &17).await;
            sent.expect("it is recorded");
            while inspected(&coordinator, id).await.set_aside.is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        if has_restarted {
            coordinator.shutdown().await;
            coordinator = started(&shop, journal).await;
        }
        let ann = by("Ann");
        let sent = coordinator.send_once("by-sender", APPROVED, "mail-1", &ann);
        sent.await.expect("it waits for that");
        let value = serde_json::to_value(&ann).expect("it is plain");
        let sent = coordinator.send_json("by-operator", "approved", &value);
        sent.await.expect("it waits for that");
        for id in ["by-sender", "by-operator"] {
            let handle = coordinator.attach::<Asking>(id).await;
            let ended = handle.expect("it is there").wait().await;
            assert_eq!(ended.expect("nothing fails"), "Ann", "{id}");
        }
    }
}
