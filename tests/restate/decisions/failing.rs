//! Compensations that keep failing: they are tried again behind the others, and operators may decide about them meanwhile.

use std::time::Duration;

use saga_restate::{Endpoint, ExecuteError, SagaHandle, Trouble, Undone};
use saga_runtime::meta::{Policy, RetryPolicy};
use saga_runtime::operator::SagaCommand;
use saga_runtime::{Context, Saga, saga, step};
use tokio::time::timeout;

use super::{all, commands, failed, fixture, resolve, skip};
use crate::service::Service;
use crate::services::{Desk, Fixture, reserve};

/// Longer than anything here needs.
const PATIENCE: Duration = Duration::from_mins(1);

#[step(compensate = unpaint)]
async fn paint(cx: Context<'_, Desk>) -> Result<String, String> {
    cx.ask("paint").await
}

async fn unpaint(cx: Context<'_, Desk>, _: &String) -> Result<(), String> {
    cx.ask("undo paint").await.map(drop)
}

saga!(
    pub(super) async fn decorate(cx: Context<'_, Desk>) -> Result<(), String> {
        reserve(cx).await?;
        paint(cx).await?;
        Err("no".to_owned())
    }
);

saga!(
    #[saga(on_compensation_failure = halt)]
    pub(super) async fn decorate_in_order(cx: Context<'_, Desk>) -> Result<(), String> {
        reserve(cx).await?;
        paint(cx).await?;
        Err("no".to_owned())
    }
);

#[step(compensate = unpolish)]
async fn polish(cx: Context<'_, Desk>) -> Result<String, String> {
    cx.ask("polish").await
}

async fn unpolish(cx: Context<'_, Desk>, _: &String) -> Result<(), String> {
    cx.ask("undo polish").await.map(drop)
}

saga!(
    #[saga(compensations = parallel)]
    pub(super) async fn decorate_at_once(cx: Context<'_, Desk>) -> Result<(), String> {
        reserve(cx).await?;
        paint(cx).await?;
        polish(cx).await?;
        Err("no".to_owned())
    }
);

saga!(
    pub(super) async fn decorate_twice(cx: Context<'_, Desk>) -> Result<(), String> {
        reserve(cx).await?;
        paint(cx).await?;
        polish(cx).await?;
        Err("no".to_owned())
    }
);

/// Waits until operators see the trouble of a saga.
pub(super) async fn trouble<G: Saga>(saga: &SagaHandle<G>) -> Trouble {
    loop {
        if let Some(trouble) = saga.trouble().await.expect("it can be asked") {
            return trouble;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_a_few_seconds_needs_no_operator_and_holds_up_no_other_compensation() {
    let (fixture, service) = fixture().await;
    fixture.desk.refuse("undo paint");
    let saga = fixture.client.submit("1", &Decorate {}).await;
    let saga = saga.expect("Restate takes it");
    let seen = trouble(&saga).await;
    assert_eq!(seen.code, "failing");
    assert_eq!(
        commands(&seen),
        ["retry", "resolve paint", "skip paint", "abandon"]
    );
    let told = ["reserve", "paint"].into_iter();
    let told = told.chain(["undo paint"; 5]).chain(["undo reserve"]);
    assert_eq!(fixture.desk.asked(), told.collect::<Vec<_>>());
    // A process that continues it waits for the rest of the time.
    let address = service.address;
    service.vanishes().await;
    fixture.desk.allow("undo paint");
    let _service = Service::at(address, all(&fixture.desk)).await;
    assert!(failed(&saga).await.is_compensated);
    assert_eq!(fixture.desk.times("undo paint"), 6);
    assert_eq!(fixture.desk.times("undo reserve"), 1);
    assert_eq!(saga.trouble().await.expect("it can be asked"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_that_halts_keeps_the_order_while_a_compensation_fails() {
    let (fixture, _service) = fixture().await;
    fixture.desk.refuse("undo paint");
    let saga = fixture.client.submit("1", &DecorateInOrder {}).await;
    let saga = saga.expect("Restate takes it");
    assert_eq!(trouble(&saga).await.code, "failing");
    assert_eq!(fixture.desk.times("undo reserve"), 0);
    fixture.desk.allow("undo paint");
    assert!(failed(&saga).await.is_compensated);
    let asked = fixture.desk.asked();
    assert_eq!(asked[asked.len() - 2..], ["undo paint", "undo reserve"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_decides_about_a_compensation_that_is_tried_again() {
    let (fixture, _service) = fixture().await;
    fixture.desk.refuse("undo paint");
    for (id, command, is_compensated) in [
        ("1", resolve("paint"), true),
        ("2", skip("paint"), false),
        ("3", SagaCommand::Abandon, false),
    ] {
        let saga = fixture.client.submit(id, &Decorate {}).await;
        let saga = saga.expect("Restate takes it");
        trouble(&saga).await;
        let decided = saga.operate(command, "painted over").await;
        decided.expect("it is failing");
        let report = failed(&saga).await;
        assert_eq!(report.is_compensated, is_compensated, "{report}");
    }
    let saga = fixture.client.submit("4", &Decorate {}).await;
    let saga = saga.expect("Restate takes it");
    trouble(&saga).await;
    fixture.desk.allow("undo paint");
    let retried = saga.operate(SagaCommand::Retry, "there is paint").await;
    retried.expect("it is failing");
    assert!(failed(&saga).await.is_compensated);
}

#[tokio::test(flavor = "multi_thread")]
async fn compensations_at_the_same_time_are_tried_again_one_by_one_in_each_process() {
    let (fixture, service) = fixture().await;
    fixture.desk.refuse("undo paint");
    fixture.desk.refuse("undo polish");
    let saga = fixture.client.submit("1", &DecorateAtOnce {}).await;
    let saga = saga.expect("Restate takes it");
    assert_eq!(trouble(&saga).await.code, "failing");
    let address = service.address;
    service.vanishes().await;
    fixture.desk.allow("undo paint");
    let _service = Service::at(address, all(&fixture.desk)).await;
    let decided = saga.operate(resolve("polish"), "it is matt again").await;
    decided.expect("it is failing");
    let report = failed(&saga).await;
    assert!(report.is_compensated, "{report}");
    let undone = report.compensations.iter();
    let by_hand = undone.filter(|one| matches!(one.undone, Undone::ResolvedByHand { .. }));
    assert_eq!(by_hand.count(), 1);
    assert_eq!(fixture.desk.times("undo reserve"), 1);
}

/// Waits until an invocation of this handler has this promise in its journal.
async fn promised(fixture: &Fixture, handler: &str, promise: &str) {
    let query = format!(
        "SELECT j.id FROM sys_journal j JOIN sys_invocation i ON j.id = i.id \
         WHERE i.target_handler_name = '{handler}' AND j.entry_json LIKE '%{promise}%'"
    );
    while fixture.query(query.clone()).await[0].is_null() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_learn_that_a_saga_is_stuck_after_a_decision_about_another_compensation() {
    let fixture = Fixture::new().await;
    let wait = Duration::from_millis(20);
    let brief = RetryPolicy::attempts(7).backoff(wait, wait);
    let endless = RetryPolicy::attempts(u32::MAX).backoff(wait, wait);
    let endless = Policy::new().compensation_retry(endless);
    let endpoint = Endpoint::builder(fixture.desk.clone()).register::<DecorateTwice>();
    let endpoint = endpoint
        .compensation_retry(brief)
        .policy_of("polish", endless);
    let _service = fixture.serve(endpoint.expect("it is a step")).await;
    for one in ["paint", "polish"] {
        fixture.desk.refuse(&format!("undo {one}"));
    }
    let saga = fixture.client.submit("1", &DecorateTwice {}).await;
    let saga = saga.expect("Restate takes it");
    assert_eq!(trouble(&saga).await.code, "failing");
    let told = timeout(PATIENCE, saga.wait());
    let told_by_hand = fixture.answer_by_hand("decorate_twice/1/start", "{}");
    let decided = async {
        // Both callers wait for the first trouble.
        promised(&fixture, "start", "stuck/0").await;
        promised(&fixture, "watch", "stuck/0").await;
        let decided = saga.operate(resolve("polish"), "it is matt again").await;
        decided.expect("it is failing");
    };
    let (told, told_by_hand, ()) = tokio::join!(told, timeout(PATIENCE, told_by_hand), decided);
    match told {
        Ok(Err(ExecuteError::Stuck(told))) => assert_eq!(
            commands(&told),
            ["retry", "resolve paint", "skip paint", "abandon"]
        ),
        other => panic!("{other:?}"),
    }
    let (status, text) = told_by_hand.expect("it is told");
    assert_eq!(status, 500, "{text}");
    assert!(text.contains("an operator has to decide"), "{text}");
    let decided = saga.operate(resolve("paint"), "painted over").await;
    decided.expect("it is stuck");
    assert!(failed(&saga).await.is_compensated);
}
