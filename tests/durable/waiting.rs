//! Sagas that sleep or wait for an event: they survive restarts, cost no task meanwhile, and can be cancelled at any time.

mod ends;
mod events;
mod first_of;
mod restarts;
mod times;

use std::time::Duration;

use saga_runtime::coordinator::Builder;
use saga_runtime::journal::{Event, Journal, State};
use saga_runtime::{Context, Coordinator, EventName, event, event_within, saga, sleep};
use serde::{Deserialize, Serialize};

use crate::shop::{Refused, Shop, charge, inspected, order, thank};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Approval {
    by: String,
}

const APPROVED: EventName<Approval> = EventName::new("approved");
const CONFIRMED: EventName<u32> = EventName::new("confirmed");

fn by(name: &str) -> Approval {
    Approval {
        by: name.to_owned(),
    }
}

saga!(
    #[derive(Clone)]
    async fn asking(cx: Context<'_, Shop>) -> Result<String, Refused> {
        order(cx).await?;
        let approval = event(cx, APPROVED).await;
        charge(cx).await?;
        Ok(approval.by)
    }
);

saga!(
    #[derive(Clone)]
    async fn napping(cx: Context<'_, Shop>, millis: u64) -> Result<(), Refused> {
        order(cx).await?;
        sleep(cx, Duration::from_millis(millis)).await;
        charge(cx).await?;
        Ok(())
    }
);

saga!(
    #[derive(Clone)]
    async fn asking_for_a_while(
        cx: Context<'_, Shop>,
        millis: u64,
    ) -> Result<Option<u32>, Refused> {
        order(cx).await?;
        Ok(event_within(cx, CONFIRMED, Duration::from_millis(millis)).await)
    }
);

saga!(
    #[derive(Clone)]
    async fn asking_twice(cx: Context<'_, Shop>) -> Result<(u32, u32), Refused> {
        let first = event(cx, CONFIRMED).await;
        order(cx).await?;
        let second = event(cx, CONFIRMED).await;
        Ok((first, second))
    }
);

saga!(
    #[saga(compensatable)]
    async fn asking_inside(cx: Context<'_, Shop>) -> Result<u32, Refused> {
        charge(cx).await?;
        Ok(event(cx, CONFIRMED).await)
    }
);

saga!(
    /// Waits for two things at the same time, and after that for a third one, when nothing can be undone any more.
    #[derive(Clone)]
    async fn asking_at_the_same_time(cx: Context<'_, Shop>) -> Result<u32, Refused> {
        let (one, other) = try_join!(asking_inside(cx), asking_inside(cx))?;
        thank(cx).await?;
        Ok(one + other + event(cx, CONFIRMED).await)
    }
);

saga!(
    #[derive(Clone)]
    #[saga(deadline = "200ms")]
    async fn asking_too_long(cx: Context<'_, Shop>) -> Result<u32, Refused> {
        order(cx).await?;
        Ok(event(cx, CONFIRMED).await)
    }
);

/// Suspends every saga that waits.
fn builder(shop: &Shop) -> Builder<Shop> {
    Coordinator::builder(shop.clone())
        .patience(Duration::ZERO)
        .register::<Asking>()
        .register::<Napping>()
        .register::<AskingForAWhile>()
        .register::<AskingTwice>()
        .register::<AskingAtTheSameTime>()
        .register::<AskingTooLong>()
        .register::<first_of::Deciding>()
}

async fn started(shop: &Shop, journal: impl Journal) -> Coordinator<Shop> {
    let started = builder(shop).journal(journal).start().await;
    started.expect("the journal works")
}

/// The events of a saga that are about waiting.
async fn waits(coordinator: &Coordinator<Shop>, saga: &str) -> Vec<String> {
    let entries = inspected(coordinator, saga).await.entries;
    let waits = entries.iter().filter_map(|entry| match &entry.event {
        Event::Waiting { step, .. } => Some(format!("{step} begun")),
        Event::Received { name, .. } => Some(format!("received {name}")),
        Event::WaitOver { step, received } => Some(match received {
            Some(number) => format!("{step}: event {number}"),
            None => format!("{step} over"),
        }),
        _ => None,
    });
    waits.collect()
}

/// Waits until a saga is suspended because it waits, and nothing else runs.
async fn rests(coordinator: &Coordinator<Shop>, saga: &str) {
    let resting = async {
        loop {
            let last = inspected(coordinator, saga).await;
            let is_waiting = last.record.state == State::Waiting;
            let last = last.entries.last().map(|entry| entry.event.clone());
            let nothing_runs = format!("{coordinator:?}").contains("running: 0");
            if nothing_runs && is_waiting && matches!(last, Some(Event::Waiting { .. })) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let rested = tokio::time::timeout(Duration::from_mins(1), resting).await;
    assert!(rested.is_ok(), "{}", inspected(coordinator, saga).await);
}
