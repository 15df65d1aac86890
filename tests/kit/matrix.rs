//! A sound saga passes its failure matrix, whose cases are counted.

use std::collections::HashMap;
use std::time::Duration;

use saga_runtime::testing::{FailureMatrix, Script};
use saga_runtime::{Context, EventName, event_within, saga, step};
use serde::{Deserialize, Serialize};

#[step(compensate = cancel_order)]
async fn create_order(cx: Context<'_, Script>) -> Result<u64, String> {
    cx.ask("create_order", cx.idempotency_key(), 17).await
}

async fn cancel_order(cx: Context<'_, Script>, _order: &u64) -> Result<(), String> {
    cx.undo("cancel_order", cx.idempotency_key(), &cx.action_key())
        .await
}

#[step(compensate = release, in_doubt(when = |_| false, resolve = release_any))]
async fn reserve(cx: Context<'_, Script>, item: u64) -> Result<u64, String> {
    cx.ask("reserve", cx.idempotency_key(), item).await
}

async fn release(cx: Context<'_, Script>, _item: &u64) -> Result<(), String> {
    cx.undo("release", cx.idempotency_key(), &cx.action_key())
        .await
}

async fn release_any(cx: Context<'_, Script>, _item: u64) -> Result<(), String> {
    cx.undo("release", cx.idempotency_key(), &cx.action_key())
        .await
}

#[step(pivot)]
async fn ship(cx: Context<'_, Script>, _order: u64) -> Result<(), String> {
    cx.ask("ship", cx.idempotency_key(), ()).await
}

#[step(retriable)]
async fn thank(cx: Context<'_, Script>, _order: u64) -> Result<(), String> {
    cx.ask("thank", cx.idempotency_key(), ()).await
}

saga!(
    /// Sells five items.
    #[saga(deadline = "1h")]
    async fn place_order(cx: Context<'_, Script>) -> Result<u64, String> {
        let order = create_order(cx).await?;
        for item in 0..5 {
            reserve(cx, item).await?;
        }
        ship(cx, order).await?;
        thank(cx, order).await?;
        Ok(order)
    }
);

#[test]
fn a_sound_saga_passes_every_case() {
    let begun = std::time::Instant::now();
    let report = FailureMatrix::new(Script::new, || PlaceOrder {})
        .invariant("all or nothing", |shop, end| {
            shop.effects().len() == if end.is_completed() { 8 } else { 0 }
        })
        .run();
    println!("{} in {:?}", report.summary(), begun.elapsed());
    assert!(report.is_ok(), "{report}");
    assert!(report.cases() > 150, "{}", report.summary());
}

saga!(
    /// Has no step behind the last one that can be undone.
    #[saga(deadline = "1h")]
    async fn order_only(cx: Context<'_, Script>) -> Result<u64, String> {
        let order = create_order(cx).await?;
        reserve(cx, order).await
    }
);

#[test]
fn a_saga_that_is_stopped_during_its_last_step_is_compensated_after_a_crash() {
    let report = FailureMatrix::new(Script::new, || OrderOnly {})
        .invariant("all or nothing", |shop, end| {
            shop.effects().len() == if end.is_completed() { 2 } else { 0 }
        })
        .run();
    assert!(report.is_ok(), "{report}");
    for stopped in ["cancelled", "deadline passes"] {
        let case = format!("reserve: {stopped} during it + release process ends after the effect");
        assert!(report.names().contains(&case), "{:?}", report.names());
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct NoTrain;

impl std::fmt::Display for NoTrain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no train")
    }
}

#[step(compensate = give_back)]
async fn by_train(cx: Context<'_, Script>) -> Result<u64, NoTrain> {
    let ticket = cx.ask("by_train", cx.idempotency_key(), 1).await;
    ticket.map_err(|_| NoTrain)
}

#[step(compensate = give_back)]
async fn by_bus(cx: Context<'_, Script>) -> Result<u64, String> {
    cx.ask("by_bus", cx.idempotency_key(), 2).await
}

async fn give_back(cx: Context<'_, Script>, _ticket: &u64) -> Result<(), String> {
    cx.undo("give_back", cx.idempotency_key(), &cx.action_key())
        .await
}

const APPROVED: EventName<bool> = EventName::new("approved");

saga!(
    /// Goes by train, or else by bus, once it is approved.
    async fn travel(cx: Context<'_, Script>) -> Result<u64, String> {
        let ticket = match by_train(cx).await {
            Ok(ticket) => ticket,
            Err(NoTrain) => by_bus(cx).await?,
        };
        match event_within(cx, APPROVED, Duration::from_hours(24)).await {
            Some(true) => Ok(ticket),
            _ => Err("not approved".to_owned()),
        }
    }
);

fn one_ticket(script: &Script, end: &saga_runtime::testing::CaseEnd) -> bool {
    script.effects().len() == usize::from(end.is_completed())
}

#[test]
fn the_steps_of_another_branch_fail_as_well() {
    let report = FailureMatrix::new(Script::new, || Travel {})
        .event(APPROVED, &true)
        .refusal(by_train, &NoTrain)
        .invariant("one ticket", one_ticket)
        .run();
    assert!(report.is_ok(), "{report}");
    let cases = report.names();
    let other = "by_train: refused + by_bus timed out after its effect";
    assert!(cases.iter().any(|case| case == other), "{cases:?}");
}

#[test]
fn a_refusal_that_the_body_handles_needs_an_error() {
    let report = FailureMatrix::new(Script::new, || Travel {})
        .event(APPROVED, &true)
        .invariant("one ticket", one_ticket)
        .run();
    assert!(report.is_ok(), "{report}");
    let summary = report.summary();
    let left_out = "left out: by_train: refused: the body handles an error of `by_train`: give one with `refusal`";
    assert!(summary.contains(left_out), "{summary}");
}

/// The order of its keys is another one in each map.
#[step(compensate = ())]
async fn prices(_cx: Context<'_, Script>) -> Result<HashMap<u64, u64>, String> {
    Ok((0..8).map(|item| (item, 10 * item)).collect())
}

saga!(
    async fn list_prices(cx: Context<'_, Script>) -> Result<HashMap<u64, u64>, String> {
        prices(cx).await
    }
);

#[test]
fn maps_are_compared_as_maps() {
    let report = FailureMatrix::new(Script::new, || ListPrices {}).run();
    assert!(report.is_ok(), "{report}");
}

#[test]
fn the_matrix_of_a_sound_saga_is_a_document() {
    FailureMatrix::new(Script::new, || Travel {})
        .event(APPROVED, &true)
        .refusal(by_train, &NoTrain)
        .document("kit/travel.md")
        .check();
}
