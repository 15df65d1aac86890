//! The first of several events: which one it was is recorded, and the others stay for later waits.

use saga_runtime::journal::{Condition, Journal as _, Memory, State};
use saga_runtime::{Context, Coordinator, EventName, First, event, first_of, saga};

use super::{APPROVED, CONFIRMED, by, rests, started, waits};
use crate::shop::{Refused, Shop, charge, id, inspected, order};

const DECLINED: EventName<String> = EventName::new("declined");

/// The same event from a sender of another version.
const UNREADABLE: EventName<u32> = EventName::new("declined");

saga!(
    #[derive(Clone)]
    pub(super) async fn deciding(cx: Context<'_, Shop>) -> Result<String, Refused> {
        order(cx).await?;
        match first_of(cx, (APPROVED, DECLINED)).await {
            First::A(approval) => {
                charge(cx).await?;
                Ok(approval.by)
            }
            First::B(reason) => {
                let approval = event(cx, APPROVED).await;
                Ok(format!("{reason}, against {}", approval.by))
            }
        }
    }
);

/// The same saga after a change: other events end the wait.
mod changed {
    use super::{
        APPROVED, CONFIRMED, Context, First, Refused, Shop, charge, first_of, order, saga,
    };

    saga!(
        pub(super) async fn deciding(cx: Context<'_, Shop>) -> Result<String, Refused> {
            order(cx).await?;
            match first_of(cx, (APPROVED, CONFIRMED)).await {
                First::A(approval) => {
                    charge(cx).await?;
                    Ok(approval.by)
                }
                First::B(number) => Ok(number.to_string()),
            }
        }
    );
}

fn no(reason: &str) -> String {
    reason.to_owned()
}

#[tokio::test]
async fn the_event_that_was_sent_first_ends_the_wait() {
    for is_approved_first in [true, false] {
        let until = std::sync::Arc::new(tokio::sync::Notify::new());
        let waiting = crate::shop::Answer::Waits(until.clone());
        let shop = Shop::default().answers("order", [waiting]);
        let coordinator = started(&shop, Memory::new()).await;
        let handle = coordinator.submit("a", Deciding {}).await;
        let handle = handle.expect("it is new");
        shop.is_asked("order").await;
        if !is_approved_first {
            let sent = coordinator.send("a", DECLINED, &no("too dear")).await;
            sent.expect("it is there");
        }
        let sent = coordinator.send("a", APPROVED, &by("Ann")).await;
        sent.expect("it is there");
        let sent = coordinator.send("a", DECLINED, &no("too late")).await;
        sent.expect("it is there");
        until.notify_one();
        let decided = handle.wait().await.expect("nothing fails");
        let expected = if is_approved_first {
            "Ann"
        } else {
            "too dear, against Ann"
        };
        assert_eq!(decided, expected);
    }
}

#[tokio::test]
async fn the_loser_stays_for_a_later_wait_also_in_the_next_process() {
    let (shop, journal) = (Shop::default(), Memory::new());
    let coordinator = started(&shop, journal.clone()).await;
    let submitted = coordinator.submit("a", Deciding {}).await;
    drop(submitted.expect("it is new"));
    rests(&coordinator, "a").await;
    let sent = coordinator.send("a", CONFIRMED, &1).await;
    sent.expect("it is kept");
    let sent = coordinator.send("a", DECLINED, &no("too dear")).await;
    sent.expect("it waits for that");
    rests(&coordinator, "a").await;
    coordinator.shutdown().await;
    let coordinator = started(&shop, journal).await;
    let handle = coordinator.attach::<Deciding>("a").await;
    let sent = coordinator.send("a", APPROVED, &by("Ann")).await;
    sent.expect("it waits for that");
    let decided = handle.expect("it is there").wait().await;
    assert_eq!(decided.expect("nothing fails"), "too dear, against Ann");
    assert_eq!(shop.asked(), ["order"]);
    assert_eq!(
        waits(&coordinator, "a").await,
        [
            "event:approved|declined begun",
            "received confirmed",
            "received declined",
            "event:approved|declined: event 1",
            "event:approved#1 begun",
            "received approved",
            "event:approved#1: event 2",
        ]
    );
}

#[tokio::test]
async fn an_inspection_names_both_events() {
    let shop = Shop::default();
    let coordinator = started(&shop, Memory::new()).await;
    let submitted = coordinator.submit("a", Deciding {}).await;
    drop(submitted.expect("it is new"));
    rests(&coordinator, "a").await;
    let waiting = inspected(&coordinator, "a").await;
    assert!(waiting.awaits(APPROVED) && waiting.awaits(DECLINED) && !waiting.awaits(CONFIRMED));
    assert_eq!(waiting.record.condition(), Condition::AwaitsEvent);
    let call = &waiting.waits[0].call;
    assert_eq!(call.events().collect::<Vec<_>>(), ["approved", "declined"]);
    assert_eq!(call.event(), None);
    let text = waiting.to_string();
    assert!(
        text.contains("\n  waits for event:approved or event:declined\n"),
        "{text}"
    );
}

#[tokio::test]
async fn an_event_that_can_not_be_read_does_not_end_the_wait() {
    let shop = Shop::default();
    let coordinator = started(&shop, Memory::new()).await;
    let handle = coordinator.submit("a", Deciding {}).await;
    rests(&coordinator, "a").await;
    let sent = coordinator.send("a", UNREADABLE, &17).await;
    sent.expect("it is of another type");
    let sent = coordinator.send("a", APPROVED, &by("Ann")).await;
    sent.expect("it waits for that");
    let decided = handle.expect("it is new").wait().await;
    assert_eq!(decided.expect("nothing fails"), "Ann");
    let set_aside = inspected(&coordinator, "a").await.set_aside;
    assert_eq!(set_aside.len(), 1);
    assert_eq!(set_aside[0].event, "declined");
}

#[tokio::test]
async fn other_events_are_another_definition() {
    let (shop, journal) = (Shop::default(), Memory::new());
    let coordinator = started(&shop, journal.clone()).await;
    let submitted = coordinator.submit("a", Deciding {}).await;
    drop(submitted.expect("it is new"));
    rests(&coordinator, "a").await;
    coordinator.shutdown().await;
    let report = Coordinator::builder(shop.clone())
        .journal(journal.clone())
        .register::<changed::Deciding>()
        .check()
        .await
        .expect("the journal works");
    let text = report.to_string();
    assert!(
        text.contains("`event:approved|declined`") && text.contains("`event:approved|confirmed`"),
        "{text}"
    );
    let record = journal.record(&id("a")).await.expect("it is in memory");
    assert_eq!(record.expect("it is there").state, State::Waiting);
}
