//! Operators decide about sagas that can't be undone, and about pivots that gave no answer.

mod converted;
mod failing;
mod parts;
mod table;

use std::time::Duration;

use saga_restate::{ClientError, Endpoint, ExecuteError, Report, SagaHandle, Trouble, Undone};
use saga_runtime::operator::SagaCommand;
use saga_runtime::{Context, EventName, Saga, event, saga, step};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use self::converted::Wallpaper;
use self::failing::{Decorate, DecorateAtOnce, DecorateInOrder};
use self::parts::{Renovate, Restore};
use crate::service::Service;
use crate::services::{Desk, Fixture, Order, charge, endpoint, reserve};

const GO: EventName<u32> = EventName::new("go");

#[step(pivot, retry(attempts = 2, backoff = "1ms..1ms"), in_doubt(when = |_| true))]
async fn depart(cx: Context<'_, Desk>) -> Result<String, String> {
    cx.ask("depart").await
}

saga!(
    async fn voyage(cx: Context<'_, Desk>) -> Result<String, String> {
        reserve(cx).await?;
        depart(cx).await
    }
);

saga!(
    #[saga(on_compensation_failure = halt)]
    async fn careful(cx: Context<'_, Desk>) -> Result<(), String> {
        reserve(cx).await?;
        charge(cx).await?;
        Err("no".to_owned())
    }
);

saga!(
    async fn patient(cx: Context<'_, Desk>) -> Result<u32, String> {
        reserve(cx).await?;
        Ok(event(cx, GO).await)
    }
);

fn all(desk: &Desk) -> Endpoint<Desk> {
    endpoint(desk)
        .register::<Voyage>()
        .register::<Careful>()
        .register::<Patient>()
        .register::<Decorate>()
        .register::<DecorateInOrder>()
        .register::<DecorateAtOnce>()
        .register::<Renovate>()
        .register::<Restore>()
        .register::<Wallpaper>()
        .patience(Duration::from_millis(50))
}

/// A server that knows a service with these sagas.
async fn fixture() -> (Fixture, Service) {
    let fixture = Fixture::new().await;
    let service = fixture.serve(all(&fixture.desk)).await;
    (fixture, service)
}

fn tea() -> Order {
    Order {
        article: "tea".to_owned(),
    }
}

fn resolve(step: &str) -> SagaCommand {
    SagaCommand::Resolve { step: step.into() }
}

fn skip(step: &str) -> SagaCommand {
    SagaCommand::Skip { step: step.into() }
}

fn complete(step: &str, output: serde_json::Value) -> SagaCommand {
    SagaCommand::Complete {
        step: step.into(),
        output,
    }
}

/// Starts a saga that gets stuck.
async fn stuck<G>(fixture: &Fixture, id: &str, saga: &G) -> (SagaHandle<G>, Trouble)
where
    G: Saga + Serialize + DeserializeOwned,
{
    let saga = fixture.client.submit(id, saga).await;
    let saga = saga.expect("Restate takes it");
    match saga.wait().await {
        Err(ExecuteError::Stuck(stuck)) => (saga, *stuck),
        other => panic!("it is stuck: {:?}", other.map(drop)),
    }
}

fn commands(stuck: &Trouble) -> Vec<String> {
    let commands = stuck.commands.iter();
    let text = commands.map(|one| match &one.target {
        Some(target) => format!("{} {target}", one.command),
        None => one.command.clone(),
    });
    text.collect()
}

async fn failed<G: Saga>(saga: &SagaHandle<G>) -> Report {
    match saga.wait().await {
        Err(ExecuteError::Failed(report)) => *report,
        other => panic!("it fails: {:?}", other.map(drop)),
    }
}

/// The code with which a command is refused.
fn refused(answer: Result<(), ClientError>) -> String {
    match answer {
        Err(ClientError::Declined(refusal)) => refusal.code,
        Err(ClientError::Refused { status, .. }) => status.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_failed_is_tried_again_when_an_operator_says_so() {
    let (fixture, _service) = fixture().await;
    fixture.desk.refuse("book");
    fixture.desk.refuse("undo charge");
    let (saga, told) = stuck(&fixture, "1", &tea()).await;
    assert_eq!(told.code, "compensation_failed");
    assert!(!told.report.is_compensated, "{told}");
    assert_eq!(
        commands(&told),
        ["retry", "resolve charge", "skip charge", "abandon"]
    );
    let again = saga.trouble().await.expect("it can be asked");
    assert_eq!(again.as_ref(), Some(&told), "operators see the same");
    // It fails once more.
    let retried = saga.operate(SagaCommand::Retry, "try again").await;
    retried.expect("it is stuck");
    let Err(ExecuteError::Stuck(_)) = saga.wait().await else {
        panic!("it is stuck again");
    };
    fixture.desk.allow("undo charge");
    let retried = saga.operate(SagaCommand::Retry, "the bank is open").await;
    retried.expect("it is stuck");
    let report = failed(&saga).await;
    assert!(report.is_compensated, "{report}");
    assert_eq!(report.cause, "no book today");
    let charged = ["undo charge"; 2];
    let before = ["reserve", "charge", "book"];
    let all = [
        &before[..],
        &charged,
        &["undo reserve"],
        &charged,
        &["undo charge"],
    ]
    .concat();
    assert_eq!(fixture.desk.asked(), all);
    assert_eq!(saga.trouble().await.expect("it can be asked"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_by_hand_stands_in_the_report_with_its_reason() {
    let (fixture, _service) = fixture().await;
    fixture.desk.refuse("book");
    fixture.desk.refuse("undo charge");
    let reason = || "case 4711".to_owned();
    for (id, command, undone, is_compensated) in [
        (
            "1",
            resolve("charge"),
            Some(Undone::ResolvedByHand { reason: reason() }),
            true,
        ),
        (
            "2",
            skip("charge"),
            Some(Undone::Skipped { reason: reason() }),
            false,
        ),
        ("3", SagaCommand::Abandon, None, false),
    ] {
        let (saga, _) = stuck(&fixture, id, &tea()).await;
        let decided = saga.operate(command, "case 4711").await;
        decided.expect("it is stuck");
        let report = failed(&saga).await;
        assert_eq!(report.is_compensated, is_compensated, "{report}");
        let charge = &report.compensations[0];
        assert_eq!(charge.step, "charge");
        match undone {
            Some(undone) => assert_eq!(charge.undone, undone),
            None => assert!(matches!(charge.undone, Undone::Failed { attempts: 2, .. })),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_that_halts_goes_on_with_the_rest_after_a_decision() {
    let (fixture, _service) = fixture().await;
    fixture.desk.refuse("undo charge");
    for (id, command, is_tried) in [
        ("1", resolve("charge"), false),
        ("2", SagaCommand::Retry, true),
    ] {
        fixture.desk.refuse("undo charge");
        let before = fixture.desk.asked().len();
        let (saga, told) = stuck(&fixture, id, &Careful {}).await;
        let mut pending = told.report.compensations.iter().map(|one| &one.undone);
        assert_eq!(pending.next_back(), Some(&Undone::Pending));
        assert_eq!(fixture.desk.asked().len(), before + 4);
        fixture.desk.allow("undo charge");
        saga.operate(command, "case 4711")
            .await
            .expect("it is stuck");
        assert!(failed(&saga).await.is_compensated);
        let after = fixture.desk.asked().split_off(before + 4);
        let tried: &[&str] = if is_tried { &["undo charge"] } else { &[] };
        assert_eq!(after, [tried, &["undo reserve"]].concat());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pivot_that_gave_no_answer_waits_for_a_decision() {
    let (fixture, _service) = fixture().await;
    let depart = "depart".to_owned();
    for (id, command, is_done) in [
        ("1", complete("depart", json!("by hand")), Some("by hand")),
        ("2", resolve("depart"), None),
        ("3", skip("depart"), None),
        ("4", SagaCommand::Retry, Some("depart")),
    ] {
        fixture.desk.refuse("depart");
        let before = fixture.desk.asked().len();
        let (saga, told) = stuck(&fixture, id, &Voyage {}).await;
        assert_eq!(told.code, "pivot_in_doubt");
        assert_eq!(told.report.step.as_ref(), Some(&depart));
        assert_eq!(
            commands(&told),
            [
                "retry",
                "complete depart",
                "resolve depart",
                "skip depart",
                "abandon"
            ]
        );
        let asked = fixture.desk.asked().split_off(before);
        assert_eq!(asked[..2], ["reserve", "depart"]);
        assert!(!asked.contains(&"undo reserve".to_owned()), "{asked:?}");
        let unreadable = complete("depart", json!(17));
        assert_eq!(
            refused(saga.operate(unreadable, "a slip").await),
            "unreadable"
        );
        fixture.desk.allow("depart");
        saga.operate(command, "case 4711")
            .await
            .expect("it is stuck");
        let undone = fixture.desk.times("undo reserve");
        match (saga.wait().await, is_done) {
            (Ok(output), Some(done)) => assert_eq!(output, done),
            (Err(ExecuteError::Failed(_)), None) => {}
            other => panic!("{other:?}"),
        }
        let undone = fixture.desk.times("undo reserve") - undone;
        assert!(undone <= 1);
        let asked = fixture.desk.asked().split_off(before);
        let is_undone = asked.contains(&"undo reserve".to_owned());
        assert_eq!(is_undone, is_done.is_none(), "{asked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_carried_out_by_the_process_that_is_there() {
    let (fixture, service) = fixture().await;
    fixture.desk.refuse("book");
    fixture.desk.refuse("undo charge");
    let (saga, _) = stuck(&fixture, "1", &tea()).await;
    let address = service.address;
    service.vanishes().await;
    fixture.desk.allow("undo charge");
    let refund = fixture.desk.hold("undo charge");
    let service = Service::at(address, all(&fixture.desk)).await;
    let retried = saga.operate(SagaCommand::Retry, "the bank is open").await;
    retried.expect("it is stuck");
    // It dies in the middle of what the operator has asked for.
    refund.came().await;
    service.vanishes().await;
    refund.release();
    let _service = Service::at(address, all(&fixture.desk)).await;
    assert!(failed(&saga).await.is_compensated);
    assert_eq!(fixture.desk.times("undo charge"), 4);
    assert_eq!(fixture.desk.times("undo reserve"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_decisions_at_once_one_is_carried_out() {
    let (fixture, _service) = fixture().await;
    fixture.desk.refuse("book");
    fixture.desk.refuse("undo charge");
    let (saga, _) = stuck(&fixture, "1", &tea()).await;
    let (one, other) = tokio::join!(
        saga.operate(resolve("charge"), "one"),
        saga.operate(skip("charge"), "other")
    );
    let report = failed(&saga).await;
    let (decided, refusal) = match (one, other) {
        (Ok(()), other) => (
            Undone::ResolvedByHand {
                reason: "one".into(),
            },
            other,
        ),
        (one, Ok(())) => (
            Undone::Skipped {
                reason: "other".into(),
            },
            one,
        ),
        both => panic!("{both:?}"),
    };
    assert_eq!(report.compensations[0].undone, decided);
    let refusal = refused(refusal);
    assert!(
        ["held", "not_stuck", "final"].contains(&&*refusal),
        "{refusal}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_is_no_decision_and_a_refusal_names_the_commands_that_help() {
    let (fixture, _service) = fixture().await;
    fixture.desk.refuse("book");
    fixture.desk.refuse("undo charge");
    let (saga, told) = stuck(&fixture, "1", &tea()).await;
    for command in [resolve("reserve"), skip("book")] {
        let answer = saga.operate(command, "a try").await;
        let Err(ClientError::Declined(refusal)) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(refusal.code, "nothing_to_decide");
        assert!(refusal.message.contains("`resolve charge`"), "{refusal}");
    }
    // It is being undone already.
    let cancelled = saga.operate(SagaCommand::Cancel, "a try").await;
    cancelled.expect("it is heard");
    let again = saga.trouble().await.expect("it can be asked");
    assert_eq!(again, Some(told));
    let abandoned = saga.operate(SagaCommand::Abandon, "no use").await;
    abandoned.expect("it is stuck");
    assert!(!failed(&saga).await.is_compensated);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_decides_with_curl() {
    let (fixture, _service) = fixture().await;
    fixture.desk.refuse("book");
    fixture.desk.refuse("undo charge");
    let (saga, told) = stuck(&fixture, "1", &tea()).await;
    let (status, text) = fixture.answer_by_hand("order/1/trouble", "").await;
    assert_eq!(status, 200);
    let read: Trouble = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(read, told);
    // The query of the guide.
    let all = "SELECT service_key, value_utf8 FROM state WHERE key = 'trouble'";
    let all = fixture.query(all.to_owned()).await;
    assert_eq!(
        (&all[0]["service_key"], &all[0]["value_utf8"]),
        (&json!("1"), &json!(text))
    );
    for (wrong, code) in [
        (r#"{"command": "resolve", "step": "charge"}"#, 400),
        (
            r#"{"command": "resolve", "step": "reserve", "reason": "?"}"#,
            409,
        ),
        (r#"{"command": "dance", "reason": "?"}"#, 400),
    ] {
        let (status, text) = fixture.answer_by_hand("order/1/decide", wrong).await;
        assert_eq!(status, code, "{text}");
    }
    let right = r#"{"command": "resolve", "step": "charge", "reason": "refunded by hand"}"#;
    assert_eq!(fixture.by_hand("order/1/decide", right).await, 200);
    assert!(failed(&saga).await.is_compensated);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_of_start_by_hand_learns_that_the_saga_is_stuck() {
    let (fixture, _service) = fixture().await;
    fixture.desk.refuse("book");
    fixture.desk.refuse("undo charge");
    let tea = r#"{"article": "tea"}"#;
    for _ in 0..2 {
        let (status, text) = fixture.answer_by_hand("order/1/start", tea).await;
        assert_eq!(status, 500, "{text}");
        assert!(text.contains("an operator has to decide"), "{text}");
    }
    assert_eq!(fixture.desk.times("reserve"), 1);
}
