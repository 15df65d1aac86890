//! One saga per id, for any number of starts by any number of callers.

use saga_restate::{ClientError, ExecuteError};

use crate::services::{Fixture, Order};

fn order(article: &str) -> Order {
    Order {
        article: article.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_gets_the_end_of_the_first() {
    let fixture = Fixture::new().await;
    let charge = fixture.desk.hold("charge");
    let first = fixture.client.submit("order-1", &order("tea")).await;
    let first = first.expect("Restate takes it");
    charge.came().await;
    let again = fixture.client.submit("order-1", &order("tea")).await;
    let again = again.expect("it is the same one");
    assert_eq!(first.invocation(), again.invocation());
    let client = fixture.client.clone();
    let executed = tokio::spawn(async move { client.execute("order-1", &order("tea")).await });
    charge.release();
    assert_eq!(first.wait().await.expect("it is well"), "tea");
    assert_eq!(again.wait().await.expect("it is well"), "tea");
    let executed = executed.await.expect("it does not panic");
    assert_eq!(executed.expect("it is well"), "tea");
    // It has ended.
    let later = fixture.client.execute("order-1", &order("tea")).await;
    assert_eq!(later.expect("it is known"), "tea");
    assert_eq!(fixture.desk.asked(), ["reserve", "charge", "book"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_input_under_the_same_id_conflicts_whether_the_saga_runs_or_has_ended() {
    let fixture = Fixture::new().await;
    let charge = fixture.desk.hold("charge");
    let first = fixture.client.submit("order-1", &order("tea")).await;
    let first = first.expect("Restate takes it");
    charge.came().await;
    for is_over in [false, true] {
        if is_over {
            charge.release();
            assert_eq!(first.wait().await.expect("it is well"), "tea");
        }
        let submitted = fixture.client.submit("order-1", &order("coffee")).await;
        let Err(ClientError::Conflict { saga, id }) = submitted else {
            panic!("it is another order");
        };
        assert_eq!((saga, id.as_str()), ("order", "order-1"));
        let executed = fixture.client.execute("order-1", &order("coffee")).await;
        assert!(matches!(
            executed,
            Err(ExecuteError::Client(ClientError::Conflict { .. }))
        ));
    }
    assert_eq!(fixture.desk.asked(), ["reserve", "charge", "book"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_that_failed_is_not_started_again_under_its_id() {
    let fixture = Fixture::new().await;
    fixture.desk.refuse("charge");
    for _ in 0..2 {
        let executed = fixture.client.execute("order-1", &order("tea")).await;
        let Err(ExecuteError::Failed(report)) = executed else {
            panic!("it is refused");
        };
        assert_eq!(report.step.as_deref(), Some("charge"));
        assert_eq!(
            report.error::<String>(),
            Some(report.cause),
            "every caller gets it"
        );
    }
    assert_eq!(fixture.desk.asked(), ["reserve", "charge", "undo reserve"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_that_no_service_runs_is_refused_and_not_unreachable() {
    let server = saga_restate::testing::Server::start().await;
    let server = server.expect("a server");
    let client = saga_restate::Client::connect(&server.ingress()).expect("an address");
    let executed = client.execute("order-1", &order("tea")).await;
    let Err(ExecuteError::Client(ClientError::Refused { status, message })) = executed else {
        panic!("no service runs it");
    };
    assert_eq!(status, 404);
    assert!(message.contains("order"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_nobody_has_used_is_unknown() {
    let fixture = Fixture::new().await;
    let found = fixture.client.find::<Order>("order-1").await;
    let Err(ClientError::Unknown { saga, id }) = found else {
        panic!("there is none");
    };
    assert_eq!((saga, id.as_str()), ("order", "order-1"));
}
