//! The work of operators in the web UI or on the command line, which use the admin API: they cancel a saga, kill it, and
//! read its failure.

use saga_restate::{ExecuteError, Report, Undone};

use crate::services::{Fixture, Order, endpoint};

fn tea() -> Order {
    Order {
        article: "tea".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_in_the_web_ui_compensates_once_and_a_second_one_stops_no_compensation() {
    let fixture = Fixture::new().await;
    let charge = fixture.desk.hold("charge");
    let refund = fixture.desk.hold("undo charge");
    let saga = fixture.client.submit("order-1", &tea()).await;
    let saga = saga.expect("Restate takes it");
    charge.came().await;
    fixture.press(saga.invocation(), "cancel").await;
    charge.release();
    refund.came().await;
    fixture.press(saga.invocation(), "cancel").await;
    refund.release();
    let Err(ExecuteError::Failed(report)) = saga.wait().await else {
        panic!("it is cancelled");
    };
    assert_eq!(report.code, "cancelled");
    assert!(report.is_compensated, "{report}");
    assert_eq!(
        fixture.desk.asked(),
        ["reserve", "charge", "undo charge", "undo reserve"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_ends_a_saga_on_the_spot_and_compensates_nothing() {
    let fixture = Fixture::new().await;
    let charge = fixture.desk.hold("charge");
    let saga = fixture.client.submit("order-1", &tea()).await;
    let saga = saga.expect("Restate takes it");
    charge.came().await;
    fixture.press(saga.invocation(), "kill").await;
    let Err(ExecuteError::Ended { message }) = saga.wait().await else {
        panic!("it is killed");
    };
    assert!(message.contains("killed"), "{message}");
    charge.release();
    let again = fixture.client.find::<Order>("order-1").await;
    let again = again.expect("it is known").wait().await;
    assert!(matches!(again, Err(ExecuteError::Ended { .. })));
    assert_eq!(fixture.desk.asked(), ["reserve", "charge"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_that_is_killed_before_it_begins_is_known_to_a_second_start() {
    let fixture = Fixture::new().await;
    let Fixture {
        server,
        client,
        desk,
        service,
    } = fixture;
    service.vanishes().await;
    let saga = client.submit("order-1", &tea()).await;
    let saga = saga.expect("Restate takes it, though no service is there");
    let path = format!("/invocations/{}/kill", saga.invocation());
    let pressed = server.ask(http::Method::PATCH, &path, String::new());
    pressed.await.expect("the server does it");
    for _ in 0..2 {
        let again = client.execute("order-1", &tea()).await;
        assert!(
            matches!(again, Err(ExecuteError::Ended { .. })),
            "{again:?}"
        );
    }
    assert_eq!(desk.asked(), Vec::<String>::new());
}

/// The report that an operator reads of a failed saga.
async fn failure(fixture: &Fixture, id: &str) -> (String, Report) {
    let saga = fixture.client.submit(id, &tea()).await;
    let saga = saga.expect("Restate takes it");
    let Err(ExecuteError::Failed(told)) = saga.wait().await else {
        panic!("it fails");
    };
    let about = fixture
        .about(
            saga.invocation(),
            "status, completion_result, completion_failure",
        )
        .await;
    assert_eq!(about["status"], "completed");
    assert_eq!(about["completion_result"], "failure");
    let message = about["completion_failure"].as_str().expect("a text");
    let (line, json) = message.split_once('\n').expect("two lines");
    let report: Report = serde_json::from_str(json).expect("the second line is JSON");
    assert_eq!(report, *told, "the client is told the same");
    (line.to_owned(), report)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_that_is_compensated_is_a_failed_invocation_whose_message_says_why() {
    let fixture = Fixture::new().await;
    fixture.desk.refuse("book");
    let (line, report) = failure(&fixture, "order-1").await;
    assert_eq!(
        line,
        "[422] saga `order` failed at step `book`: no book today; compensated: `charge`, `reserve`"
    );
    assert!(report.is_compensated);
    assert_eq!(report.step.as_deref(), Some("book"));
    assert_eq!((&*report.code, &*report.cause), ("error", "no book today"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_that_can_not_be_undone_is_a_failed_invocation_whose_message_says_what_is_left() {
    let fixture = Fixture::new().await;
    let without = endpoint(&fixture.desk).without_operators();
    let _service = fixture.serve(without).await;
    fixture.desk.refuse("book");
    fixture.desk.refuse("undo charge");
    let (line, report) = failure(&fixture, "order-1").await;
    assert_eq!(
        line,
        "[500] saga `order` failed at step `book`: no book today; compensated: `reserve`; NOT compensated: `charge`: no undo charge today (2 attempts)"
    );
    assert!(!report.is_compensated);
    let charge = &report.compensations[0];
    assert_eq!(charge.step, "charge");
    assert_eq!(
        charge.undone,
        Undone::Failed {
            attempts: 2,
            message: "no undo charge today".to_owned()
        }
    );
}
