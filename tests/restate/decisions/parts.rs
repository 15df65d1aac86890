//! Compensations in a part of which the body handles the failure: they hold up the body, and no operator is asked meanwhile.

use std::time::Duration;

use saga_restate::{SagaHandle, Undone};
use saga_runtime::{Context, saga, step};

use super::{commands, failed, fixture, resolve, stuck};
use crate::services::{Desk, reserve};

#[step(compensate = scrape, compensation(retry(attempts = 60, backoff = "10ms..50ms")))]
async fn plaster(cx: Context<'_, Desk>) -> Result<String, String> {
    cx.ask("plaster").await
}

async fn scrape(cx: Context<'_, Desk>, _: &String) -> Result<(), String> {
    cx.ask("undo plaster").await.map(drop)
}

#[step(compensate = melt, compensation(retry(attempts = 2, backoff = "1ms..1ms")))]
async fn gild(cx: Context<'_, Desk>) -> Result<String, String> {
    cx.ask("gild").await
}

async fn melt(cx: Context<'_, Desk>, _: &String) -> Result<(), String> {
    cx.ask("undo gild").await.map(drop)
}

saga!(
    #[saga(compensatable)]
    async fn walls(cx: Context<'_, Desk>) -> Result<(), String> {
        reserve(cx).await?;
        plaster(cx).await?;
        Err("it rains".to_owned())
    }
);

saga!(
    #[saga(compensatable)]
    async fn statue(cx: Context<'_, Desk>) -> Result<(), String> {
        gild(cx).await?;
        Err("it rains".to_owned())
    }
);

saga!(
    pub(super) async fn renovate(cx: Context<'_, Desk>) -> Result<String, String> {
        match walls(cx).await {
            Ok(()) => Ok("done".to_owned()),
            Err(error) => Ok(error),
        }
    }
);

saga!(
    pub(super) async fn restore(cx: Context<'_, Desk>) -> Result<String, String> {
        reserve(cx).await?;
        match statue(cx).await {
            Ok(()) => Ok("done".to_owned()),
            Err(error) => Ok(error),
        }
    }
);

/// Returns whether operators are asked about a saga.
async fn asks(saga: &SagaHandle<Renovate>) -> bool {
    let trouble = saga.trouble().await;
    trouble.expect("it can be asked").is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compensation_in_a_handled_part_is_tried_in_order_until_it_is_done() {
    let (fixture, _service) = fixture().await;
    fixture.desk.refuse("undo plaster");
    let saga = fixture.client.submit("1", &Renovate {}).await;
    let saga = saga.expect("Restate takes it");
    // More often than one that others do not wait for.
    let tried = async {
        while fixture.desk.times("undo plaster") < 8 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let tried = tokio::time::timeout(Duration::from_secs(30), tried).await;
    tried.expect("it is tried again and again");
    assert!(!asks(&saga).await, "no decision is needed");
    assert_eq!(fixture.desk.times("undo reserve"), 0, "it comes later");
    fixture.desk.allow("undo plaster");
    assert_eq!(saga.wait().await.expect("the body goes on"), "it rains");
    let asked = fixture.desk.asked();
    assert_eq!(
        asked[asked.len() - 2..],
        ["undo plaster", "undo reserve"],
        "last first"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_can_not_be_undone_is_left_to_an_operator_and_not_tried_again() {
    let (fixture, _service) = fixture().await;
    fixture.desk.refuse("undo gild");
    let (saga, told) = stuck(&fixture, "1", &Restore {}).await;
    assert_eq!(told.code, "compensation_failed");
    assert_eq!(
        commands(&told),
        ["resolve statue/gild", "skip statue/gild", "abandon"]
    );
    assert_eq!(fixture.desk.times("undo gild"), 2);
    assert_eq!(fixture.desk.times("undo reserve"), 1, "the rest is undone");
    let decided = saga.operate(resolve("statue/gild"), "melted by hand").await;
    decided.expect("it is stuck");
    let report = failed(&saga).await;
    assert!(report.is_compensated, "{report}");
    let by_hand = report.compensations.iter();
    let by_hand = by_hand.filter(|one| matches!(one.undone, Undone::ResolvedByHand { .. }));
    assert_eq!(by_hand.count(), 1);
    assert_eq!(fixture.desk.times("undo gild"), 2);
}
