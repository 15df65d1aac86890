//! Values that can't be recorded, or can't be read: they are refused at once, and nothing is tried again.

use std::time::Duration;

use saga_restate::{ClientError, Endpoint, ExecuteError, Report};
use saga_runtime::{Context, EventName, event, saga, step};

use crate::logs;
use crate::service::Service;
use crate::services::{Desk, Fixture, Order, endpoint, reserve};

const RATE: EventName<f64> = EventName::new("rate");

#[step(compensate = unweigh)]
async fn weigh(cx: Context<'_, Desk>, weight: f64) -> Result<f64, String> {
    cx.ask("weigh").await?;
    Ok(1.0 / weight)
}

async fn unweigh(cx: Context<'_, Desk>, _: &f64) -> Result<(), String> {
    cx.ask("undo weigh").await.map(drop)
}

saga!(
    async fn weighing(cx: Context<'_, Desk>, weight: f64) -> Result<f64, String> {
        reserve(cx).await?;
        weigh(cx, weight).await
    }
);

saga!(
    async fn pricing(cx: Context<'_, Desk>) -> Result<f64, String> {
        reserve(cx).await?;
        let rate = event(cx, RATE).await;
        Ok(1.0 / rate)
    }
);

saga!(
    async fn weighing_all(cx: Context<'_, Desk>, weights: Vec<f64>) -> Result<(), String> {
        for weight in weights {
            weigh(cx, weight).await?;
        }
        Ok(())
    }
);

async fn fixture() -> (Fixture, Service) {
    let fixture = Fixture::new().await;
    let endpoint = Endpoint::builder(fixture.desk.clone())
        .register::<Weighing>()
        .register::<WeighingAll>()
        .register::<Pricing>();
    let service = fixture.serve(endpoint).await;
    (fixture, service)
}

fn report<T: std::fmt::Debug>(ended: Result<T, ExecuteError>) -> Report {
    match ended {
        Err(ExecuteError::Failed(report)) => *report,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_that_is_no_json_is_refused_and_its_id_stays_free() {
    let (fixture, _service) = fixture().await;
    for weight in [f64::NAN, f64::INFINITY] {
        let submitted = fixture.client.submit("1", &Weighing { weight }).await;
        assert!(matches!(submitted, Err(ClientError::Input(_))));
    }
    let weighed = fixture.client.execute("1", &Weighing { weight: 4.0 }).await;
    assert!((weighed.expect("it is well") - 0.25).abs() < f64::EPSILON);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_is_no_json_is_compensated_at_once() {
    let (fixture, _service) = fixture().await;
    let report = report(fixture.client.execute("1", &Weighing { weight: 0.0 }).await);
    assert_eq!(report.code, "unrecordable", "{report}");
    assert_eq!(report.step.as_deref(), Some("weigh"));
    assert!(report.is_compensated, "{report}");
    assert_eq!(
        fixture.desk.asked(),
        ["reserve", "weigh", "undo weigh", "undo reserve"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_tells_the_calls_of_a_step_apart() {
    let (fixture, _service) = fixture().await;
    let weights = vec![1.0, 2.0, 0.0];
    let report = report(fixture.client.execute("1", &WeighingAll { weights }).await);
    assert_eq!(report.step.as_deref(), Some("weigh"));
    assert_eq!(report.call(), Some("weigh#2"));
    let undone = report.compensations.iter();
    let undone: Vec<_> = undone.map(|one| (&*one.step, one.occurrence)).collect();
    assert_eq!(undone, [("weigh", 2), ("weigh", 1), ("weigh", 0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_is_no_json_ends_the_saga_with_a_report_that_says_so() {
    let (fixture, _service) = fixture().await;
    let saga = fixture.client.submit("1", &Pricing {}).await;
    let saga = saga.expect("Restate takes it");
    assert!(matches!(
        saga.send(RATE, &f64::NAN).await,
        Err(ClientError::Input(_))
    ));
    saga.send(RATE, &0.0).await.expect("it is a number");
    let report = report(saga.wait().await);
    assert_eq!(report.code, "unrecordable", "{report}");
    assert!(!report.is_compensated, "its step is done: {report}");
    assert_eq!(fixture.desk.asked(), ["reserve"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_a_wrong_type_is_set_aside_and_the_wait_goes_on() {
    logs::keep();
    let (fixture, service) = fixture().await;
    let wrong = r#"{"name": "rate", "value": "dear-4711"}"#;
    assert_eq!(fixture.by_hand("pricing/1/send", wrong).await, 200);
    let saga = fixture.client.submit("1", &Pricing {}).await;
    let saga = saga.expect("Restate takes it");
    assert_eq!(fixture.by_hand("pricing/1/send", wrong).await, 200);
    // A replay sets aside the same events.
    fixture.waits(saga.invocation(), "event/rate/2").await;
    let address = service.address;
    service.vanishes().await;
    let endpoint = Endpoint::builder(fixture.desk.clone()).register::<Pricing>();
    let _service = Service::at(address, endpoint).await;
    saga.send(RATE, &2.0).await.expect("it is a number");
    assert!((saga.wait().await.expect("it is well") - 0.5).abs() < f64::EPSILON);
    assert_eq!(fixture.desk.asked(), ["reserve"]);
    let is_told = |line: &String| line.contains("event set aside") && line.contains("rate");
    assert!(logs::lines().iter().any(is_told));
    unlogged("dear-4711");
}

/// The saga as it was.
mod before {
    use saga_runtime::{Context, EventName, event, saga, step};

    use crate::services::Desk;

    pub(super) const GO: EventName<()> = EventName::new("go");

    #[step(compensate = ())]
    async fn taste(cx: Context<'_, Desk>) -> Result<String, String> {
        cx.ask("taste").await?;
        Ok("sour-4712".to_owned())
    }

    saga!(
        pub(crate) async fn tasting(cx: Context<'_, Desk>) -> Result<String, String> {
            let taste = taste(cx).await?;
            event(cx, GO).await;
            Ok(taste)
        }
    );
}

/// The same with another output.
mod after {
    use saga_runtime::{Context, event, saga, step};

    use super::before::GO;
    use crate::services::Desk;

    #[step(compensate = ())]
    async fn taste(cx: Context<'_, Desk>) -> Result<u32, String> {
        cx.ask("taste").await?;
        Ok(7)
    }

    saga!(
        pub(crate) async fn tasting(cx: Context<'_, Desk>) -> Result<u32, String> {
            let taste = taste(cx).await?;
            event(cx, GO).await;
            Ok(taste)
        }
    );
}

/// Waits until the SDK has logged this text in both of its lines about a failure.
async fn is_logged(text: &str) {
    let are_logged =
        |lines: Vec<String>| lines.iter().filter(|line| line.contains(text)).count() > 1;
    while !are_logged(logs::lines()) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// No line of the log has this.
fn unlogged(secret: &str) {
    let lines = logs::lines();
    let logged: Vec<_> = lines.iter().filter(|line| line.contains(secret)).collect();
    assert!(logged.is_empty(), "{logged:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_read_is_not_quoted() {
    logs::keep();
    let fixture = Fixture::new().await;
    let old = Endpoint::builder(fixture.desk.clone()).register::<before::Tasting>();
    let service = fixture.serve(old).await;
    let saga = fixture.client.submit("1", &before::Tasting {}).await;
    let saga = saga.expect("Restate takes it");
    fixture.waits(saga.invocation(), "event/go/0").await;
    let address = service.address;
    service.vanishes().await;
    let new = Endpoint::builder(fixture.desk.clone()).register::<after::Tasting>();
    let _service = Service::at(address, new).await;
    saga.send(before::GO, &()).await.expect("it waits");
    let told = loop {
        let about = fixture.about(saga.invocation(), "last_failure").await;
        match about["last_failure"].as_str() {
            Some(told) if told.contains("the record of step `taste` can't be read") => {
                break told.to_owned();
            }
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    assert!(!told.contains("4712"), "{told}");
    unlogged("4712");
}

#[step(retriable, retry(backoff = "1ms..1ms"))]
async fn swallow(cx: Context<'_, Desk>) -> Result<String, String> {
    cx.ask("pill-4713").await
}

saga!(
    async fn swallowing(cx: Context<'_, Desk>) -> Result<String, String> {
        swallow(cx).await
    }
);

#[tokio::test(flavor = "multi_thread")]
async fn the_error_of_a_step_that_restate_repeats_is_not_in_the_log() {
    logs::keep();
    let fixture = Fixture::new().await;
    let endpoint = Endpoint::builder(fixture.desk.clone()).register::<Swallowing>();
    let _service = fixture.serve(endpoint).await;
    fixture.desk.refuse("pill-4713");
    let saga = fixture.client.submit("1", &Swallowing {}).await;
    let saga = saga.expect("Restate takes it");
    is_logged("step `swallow`").await;
    fixture.desk.allow("pill-4713");
    saga.wait().await.expect("it is asked again");
    assert!(fixture.desk.times("pill-4713") > 10);
    unlogged("4713");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_started_by_hand_and_is_no_input_is_answered_400_and_asks_for_no_step() {
    let fixture = Fixture::new().await;
    let bad = ["{", "tea", "17", "{}", r#"{"article": 17}"#];
    for (number, bad) in bad.iter().enumerate() {
        let path = format!("order/order-{number}/run");
        assert_eq!(fixture.by_hand(&path, bad).await, 400, "{bad}");
    }
    assert_eq!(fixture.desk.asked(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_by_hand_reads_the_input_before_it_takes_the_id() {
    let fixture = Fixture::new().await;
    for bad in ["", "{", "tea", "17", "{}", r#"{"article": 17}"#] {
        let (status, text) = fixture.answer_by_hand("order/order-1/start", bad).await;
        assert_eq!(status, 400, "{bad}: {text}");
        assert!(text.contains("the input can't be read"), "{text}");
    }
    let tea = r#"{"extra": 2, "article": "tea"}"#;
    for _ in 0..2 {
        let (status, text) = fixture.answer_by_hand("order/order-1/start", tea).await;
        assert_eq!((status.as_u16(), &*text), (200, r#""tea""#));
    }
    let coffee = r#"{"article": "coffee"}"#;
    let (status, text) = fixture.answer_by_hand("order/order-1/start", coffee).await;
    assert_eq!(status, 409, "{text}");
    assert!(text.contains("another input"), "{text}");
    let order = Order {
        article: "tea".to_owned(),
    };
    let again = fixture.client.execute("order-1", &order).await;
    assert_eq!(again.expect("it is the same order"), "tea");
    assert_eq!(fixture.desk.asked(), ["reserve", "charge", "book"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_starts_by_hand_at_once_are_one_saga() {
    let fixture = std::sync::Arc::new(Fixture::new().await);
    let mut starting = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let fixture = fixture.clone();
        let tea = r#"{"article": "tea"}"#;
        starting.spawn(async move { fixture.answer_by_hand("order/order-1/start", tea).await });
    }
    for (status, text) in starting.join_all().await {
        assert_eq!((status.as_u16(), &*text), (200, r#""tea""#));
    }
    assert_eq!(fixture.desk.asked(), ["reserve", "charge", "book"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_inputs_are_the_same_if_the_saga_reads_the_same_value_from_both() {
    let fixture = Fixture::new().await;
    let by_hand = r#"{"extra": 2, "article": "tea"}"#;
    assert_eq!(fixture.by_hand("order/order-1/run", by_hand).await, 200);
    let order = |article: &str| Order {
        article: article.to_owned(),
    };
    let again = fixture.client.execute("order-1", &order("tea")).await;
    assert_eq!(again.expect("it is the same order"), "tea");
    let other = fixture.client.submit("order-1", &order("coffee")).await;
    assert!(matches!(other, Err(ClientError::Conflict { .. })));
    assert_eq!(fixture.desk.asked(), ["reserve", "charge", "book"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_is_the_same_if_the_process_dies_in_a_compensation() {
    let fixture = Fixture::new().await;
    fixture.desk.refuse("book");
    let order = Order {
        article: "tea".to_owned(),
    };
    let whole = report(fixture.client.execute("order-1", &order).await);
    let refund = fixture.desk.hold("undo charge");
    let saga = fixture.client.submit("order-2", &order).await;
    let saga = saga.expect("Restate takes it");
    refund.came().await;
    let address = fixture.service.address;
    let Fixture { service, desk, .. } = fixture;
    service.vanishes().await;
    refund.release();
    let _service = Service::at(address, endpoint(&desk)).await;
    let cut = report(saga.wait().await);
    assert_eq!((&*cut.code, &cut.cause), ("error", &whole.cause));
    assert_eq!(cut.line, whole.line);
    assert_eq!(cut.compensations, whole.compensations);
}
