//! The time and the ids that bodies ask for: new in the first run, the same in each replay.

use std::time::{Duration, SystemTime};

use saga_runtime::coordinator::ExecuteError;
use saga_runtime::journal::{Event, Memory};
use saga_runtime::{
    Context, Coordinator, EventName, InProcess, SagaId, Uuid, event, saga, step, try_join_all,
};
use serde::{Deserialize, Serialize};

use crate::shop::{Refused, Shop, id, inspected, order};

const CONFIRMED: EventName<()> = EventName::new("confirmed");

/// The values that a saga has seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Seen {
    first: Uuid,
    at: SystemTime,
    inside: Vec<Uuid>,
    second: Uuid,
    later: SystemTime,
}

#[step(compensate = ())]
async fn tag(cx: Context<'_, Shop>, tag: Uuid) -> Result<Uuid, Refused> {
    cx.note(&tag.to_string());
    Ok(tag)
}

saga!(
    #[saga(compensatable)]
    async fn tag_inside(cx: Context<'_, Shop>) -> Result<Uuid, Refused> {
        let id = cx.uuid();
        tag(cx, id).await
    }
);

saga!(
    #[derive(Clone)]
    async fn tagging(cx: Context<'_, Shop>, refuses: bool) -> Result<Seen, Refused> {
        let (first, at) = (cx.uuid(), cx.now());
        tag(cx, first).await?;
        let inside = try_join_all(2, 0..3, |_| tag_inside(cx)).await?;
        let (second, later) = (cx.uuid(), cx.now());
        event(cx, CONFIRMED).await;
        tag(cx, second).await?;
        if refuses {
            order(cx).await?;
        }
        Ok(Seen {
            first,
            at,
            inside,
            second,
            later,
        })
    }
);

async fn started(shop: &Shop, journal: Memory) -> Coordinator<Shop> {
    let builder = Coordinator::builder(shop.clone()).register::<Tagging>();
    let builder = builder.patience(Duration::ZERO).journal(journal);
    builder.start().await.expect("the journal works")
}

/// The questions in the journal.
async fn questions(coordinator: &Coordinator<Shop>) -> Vec<String> {
    let entries = inspected(coordinator, "a").await.entries;
    let of = entries.iter().filter_map(|entry| match &entry.event {
        Event::Value { of, .. } => Some(of.to_string()),
        _ => None,
    });
    of.collect()
}

#[tokio::test]
async fn a_replay_sees_the_same_ids_and_times() {
    let shop = Shop::default();
    let journal = Memory::new();
    let first = started(&shop, journal.clone()).await;
    let handle = first.submit("a", Tagging { refuses: false }).await;
    drop(handle.expect("it is new"));
    while shop.asked().len() < 4 {
        tokio::task::yield_now().await;
    }
    first.shutdown().await;

    let second = started(&shop, journal).await;
    let handle = second.attach::<Tagging>(&id("a")).await;
    let handle = handle.expect("it is there");
    second
        .send(&id("a"), CONFIRMED, &())
        .await
        .expect("it waits");
    let seen = handle.wait().await.expect("nothing fails");

    let asked = shop.asked();
    let tags = [
        seen.first,
        seen.inside[0],
        seen.inside[1],
        seen.inside[2],
        seen.second,
    ];
    let mut tags = tags.map(|tag| tag.to_string());
    tags[1..4].sort();
    let mut asked: Vec<_> = asked.iter().map(String::as_str).collect();
    asked[1..4].sort_unstable();
    assert_eq!(asked, tags, "the steps of both processes were given these");
    let mut different = tags.to_vec();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), tags.len());
    assert!(seen.at <= seen.later && seen.later <= SystemTime::now());

    let mut questions = questions(&second).await;
    questions.sort();
    assert_eq!(
        questions,
        [
            "now",
            "now#1",
            "tag_inside#1/uuid",
            "tag_inside#2/uuid",
            "tag_inside/uuid",
            "uuid",
            "uuid#1",
        ],
        "each of them once"
    );
}

#[tokio::test]
async fn a_saga_that_is_undone_asks_for_nothing_new() {
    let shop = Shop::default().answers("order", [crate::shop::Answer::Refuses]);
    let coordinator = started(&shop, Memory::new()).await;
    let handle = coordinator.submit("a", Tagging { refuses: true }).await;
    let sent = coordinator.send(&id("a"), CONFIRMED, &()).await;
    sent.expect("it is there");
    match handle.expect("it is new").wait().await {
        Err(ExecuteError::Failed(error)) => assert!(error.is_compensated()),
        other => panic!("{other:?}"),
    }
    assert_eq!(questions(&coordinator).await.len(), 7);
}

#[tokio::test]
async fn in_process_they_are_new() {
    saga!(
        async fn twice(cx: Context<'_, Shop>) -> Result<(Uuid, Uuid, SystemTime), Refused> {
            let tagged = tag(cx, cx.uuid()).await?;
            Ok((tagged, cx.uuid(), cx.now()))
        }
    );
    let shop = Shop::default();
    let before = SystemTime::now();
    let id = SagaId::new("a").expect("a valid id");
    let twice = InProcess::new(&shop).saga_id(id).execute(Twice {});
    let (one, other, at) = twice.await.expect("nothing fails");
    assert_ne!(one, other);
    assert!(before <= at && at <= SystemTime::now());
}
