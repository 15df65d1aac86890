//! Waits that continue in the next process.

use std::time::Duration;

use saga_runtime::journal::{Event, Memory, NewSaga, Sqlite, State, StepCall};
use saga_runtime::{Coordinator, Kind};
use tempfile::TempDir;

use super::{APPROVED, Asking, AskingAtTheSameTime, CONFIRMED, Napping, by, rests, started, waits};
use crate::cut_off::{Ended, call, done, left};
use crate::shop::{Shop, becomes, id, inspected};

#[tokio::test]
async fn a_restart_loses_neither_the_wait_nor_the_event() {
    let folder = TempDir::new().expect("a folder for the test");
    let file = folder.path().join("sagas.db");
    let shop = Shop::default();
    {
        let journal = Sqlite::open(&file).await.expect("it is new");
        let coordinator = started(&shop, journal).await;
        let _ = coordinator.submit("a", Asking {}).await.expect("it is new");
        let _ = coordinator.submit("b", Asking {}).await.expect("it is new");
        rests(&coordinator, "a").await;
        rests(&coordinator, "b").await;
        coordinator.shutdown().await;
    }
    let journal = Sqlite::open(&file).await.expect("no other process uses it");
    let coordinator = started(&shop, journal).await;
    for (saga, name) in [("a", "Ann"), ("b", "Bob")] {
        let sent = coordinator.send(&id(saga), APPROVED, &by(name)).await;
        sent.expect("it waits for that");
        let handle = coordinator.attach::<Asking>(&id(saga)).await;
        let approved = handle.expect("it is there").wait().await;
        assert_eq!(approved.expect("nothing fails"), name);
    }
    assert_eq!(shop.asked().iter().filter(|one| *one == "order").count(), 2);
}

#[tokio::test]
async fn a_restart_does_not_begin_a_sleep_anew() {
    let shop = Shop::default();
    let journal = Memory::new();
    let first = started(&shop, journal.clone()).await;
    let _ = first
        .submit("a", Napping { millis: 300 })
        .await
        .expect("it is new");
    rests(&first, "a").await;
    let until = |coordinator: Coordinator<Shop>| async move {
        let entries = inspected(&coordinator, "a").await.entries;
        entries.iter().find_map(|entry| match entry.event {
            Event::Waiting { until, .. } => until,
            _ => None,
        })
    };
    let before = until(first.clone()).await.expect("it sleeps");
    first.shutdown().await;
    let second = started(&shop, journal).await;
    becomes(&second, "a", State::Completed).await;
    assert_eq!(until(second.clone()).await, Some(before));
    assert_eq!(waits(&second, "a").await, ["sleep begun", "sleep over"]);
    let done = inspected(&second, "a").await;
    let ended = done.entries.last().expect("it has ended").at;
    assert!(ended >= before, "it has slept as long as it should");
    assert_eq!(shop.asked(), ["order", "charge"]);
}

#[tokio::test]
async fn members_of_a_group_wait_at_the_same_time() {
    let shop = Shop::default();
    let journal = Memory::new();
    let coordinator = started(&shop, journal.clone()).await;
    let handle = coordinator.submit("a", AskingAtTheSameTime {}).await;
    drop(handle.expect("it is new"));
    while waits(&coordinator, "a").await.len() < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let sent = coordinator.send(&id("a"), CONFIRMED, &30).await;
    sent.expect("both wait for that");
    // One member has got it, and the other one waits in the next process.
    while waits(&coordinator, "a").await.len() < 4 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    coordinator.shutdown().await;
    let coordinator = started(&shop, journal).await;
    let handle = coordinator.attach::<AskingAtTheSameTime>(&id("a")).await;
    for number in [4, 1] {
        let sent = coordinator.send(&id("a"), CONFIRMED, &number).await;
        sent.expect("it waits for that");
    }
    let ended = handle.expect("it is there").wait().await;
    assert_eq!(ended.expect("nothing fails"), 35);
    assert_eq!(shop.asked(), ["charge", "charge", "thank"]);
}

#[tokio::test]
async fn an_event_that_was_received_and_can_not_be_read_any_more_undoes_nothing_by_itself() {
    let wait = || StepCall {
        name: "event:approved".into(),
        ..call("event", Kind::NothingToUndo)
    };
    let saga = NewSaga {
        id: id("a"),
        name: "asking".to_owned(),
        version: 1,
        fingerprint: 0,
        input: "{}".to_owned(),
        trace: None,
    };
    let entries = [
        done("order", Kind::Compensatable),
        Event::Waiting {
            step: wait(),
            until: None,
        },
        // It had another type then.
        Event::Received {
            name: "approved".into(),
            payload: "17".to_owned(),
            key: None,
        },
        Event::WaitOver {
            step: wait(),
            received: Some(0),
        },
    ];
    let shop = Shop::default();
    let coordinator = started(&shop, left(saga, &entries, Ended::Orderly).await).await;
    becomes(&coordinator, "a", State::Stuck).await;
    let inspected = inspected(&coordinator, "a").await;
    match inspected.entries.last().map(|last| &last.event) {
        Some(Event::Stuck { reason }) => {
            assert_eq!(reason.code, "unreadable");
            let text =
                "the recorded value of `event:approved` can't be read: invalid type: integer `17`";
            assert!(reason.message.starts_with(text), "{}", reason.message);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(shop.asked(), Vec::<String>::new());
    let undone = coordinator.compensate("a", "the type has changed").await;
    undone.expect("it is stuck");
    becomes(&coordinator, "a", State::Compensated).await;
    assert_eq!(shop.asked(), ["cancel"]);
}
