//! The operator of a service in another process.

use axum::Router;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;
use saga_console::{Console, Remote, RemoteError};
use saga_runtime::journal::State;
use saga_runtime::operator::{BulkPlan, Operator, Refusal, SagaCommand};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::stage::{Stage, stage};

/// Serves the app of a stage, and returns the address of its console.
async fn serve(stage: &Stage) -> (String, JoinHandle<()>) {
    serve_app(stage.app.clone()).await
}

async fn serve_app(app: Router) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("there is a port");
    let address = listener.local_addr().expect("it listens");
    let serving = tokio::spawn(async move {
        axum::serve(listener, app).await.expect("it listens");
    });
    (format!("http://{address}/sagas/"), serving)
}

#[tokio::test]
async fn a_service_is_steered_as_its_own_journal_would_be() {
    let stage = stage(3, |console| console.writable().token("secret")).await;
    let (address, serving) = serve(&stage).await;
    let remote = Remote::new(&address, "ann").expect("it is an address");
    let without = Operator::over(remote.clone()).counts().await;
    assert_eq!(without.expect_err("it needs a token").code, "no_token");
    let operator = Operator::over(remote.token("secret").expect("it is a token"));

    let query: saga_runtime::operator::SagaQuery =
        r#"state=stuck text="is closed""#.parse().expect("it is a query");
    let page = operator
        .list(&query.clone().limit(2))
        .await
        .expect("it answers");
    assert_eq!(
        page.sagas.iter().map(|saga| &*saga.id).collect::<Vec<_>>(),
        ["order-2", "order-1"]
    );
    let rest = operator
        .list(&query.clone().limit(2).after(page.next))
        .await;
    assert_eq!(rest.expect("it answers").sagas[0].id, "order-0");
    let shown = operator.show("order-0").await.expect("it is there");
    assert!(shown.outline.is_some() && shown.saga.trouble.is_some());
    assert_eq!(
        operator
            .show("no/such saga?")
            .await
            .expect_err("it is not")
            .code,
        "unknown"
    );
    assert_eq!(operator.definitions().await.expect("it answers").len(), 2);

    let check = operator.check().await.expect("it answers");
    assert!(check.is_replayed && check.is_fine(), "{check:?}");
    let paused = operator.pause("sell", "the bank is closed").await;
    let paused = paused.expect("it is registered");
    assert!(paused.how.contains("attempts under way end"), "{paused:?}");
    let reason = &operator.paused().await.expect("it answers")[0].reason;
    assert_eq!(reason, "the bank is closed (by ann)");
    operator.resume("sell").await.expect("it is paused");
    assert_eq!(operator.workers().await.expect("it answers"), []);

    stage.bank.opens();
    let accepted = operator
        .command("order-0", &SagaCommand::Compensate, "try it")
        .await;
    let accepted = accepted.expect("the service has the code");
    assert!(
        accepted.how.contains(address.trim_end_matches('/')),
        "{accepted:?}"
    );
    stage.becomes("order-0", State::Compensated).await;
    let plan = BulkPlan::new(query, SagaCommand::Retry, "the bank is open");
    let report = operator.bulk(&plan, |_| true).await.expect("it answers");
    assert_eq!(report.ids, ["order-2", "order-1"]);
    stage.becomes("order-1", State::Compensated).await;
    let entries = operator.show("order-1").await.expect("it is there").entries;
    assert!(
        entries.iter().any(|entry| entry.line.ends_with("(by ann)")),
        "{entries:?}"
    );
    let purged = operator
        .purge(std::time::SystemTime::now() + std::time::Duration::from_mins(1))
        .await;
    assert_eq!(
        purged.expect("it answers"),
        2 + usize::from(
            stage
                .coordinator
                .status("order-2")
                .await
                .expect("it works")
                .is_none()
        ) as u64
    );
    serving.abort();
}

#[tokio::test]
async fn a_command_reaches_more_sagas_than_the_console_takes_commands_at_a_time() {
    // Ten commands at once, then one each second.
    const SAGAS: usize = 11;
    let stage = stage(SAGAS, |console| console.writable().commands_per_second(1)).await;
    let (address, serving) = serve(&stage).await;
    let operator = Operator::over(Remote::new(&address, "ann").expect("it is an address"));
    stage.bank.opens();
    let stuck = "state=stuck".parse().expect("it is a query");
    let plan = BulkPlan::new(stuck, SagaCommand::Retry, "the bank is open");
    let report = operator.bulk(&plan, |_| true).await.expect("it answers");
    assert_eq!(report.refused, []);
    assert_eq!(report.accepted, SAGAS as u64);
    serving.abort();
}

#[tokio::test]
async fn a_command_on_many_sagas_ends_when_no_saga_can_get_it() {
    let stage = stage(3, Console::writable).await;
    let stuck = "state=stuck".parse().expect("it is a query");
    let plan = BulkPlan::new(stuck, SagaCommand::Retry, "the bank is open");
    for code in ["no_token", "shutting_down"] {
        let refusing = async move |request: Request, next: Next| {
            if request.method() == Method::GET {
                return next.run(request).await;
            }
            let refusal = serde_json::to_string(&Refusal::new(code, "not now"));
            let refusal = refusal.expect("it is JSON");
            (StatusCode::SERVICE_UNAVAILABLE, refusal).into_response()
        };
        let app = stage.app.clone().layer(from_fn(refusing));
        let (address, serving) = serve_app(app).await;
        let operator = Operator::over(Remote::new(&address, "ann").expect("it is an address"));
        let ended = operator.bulk(&plan, |_| true).await;
        assert_eq!(ended.expect_err("no saga can get it").code, code);
        serving.abort();
    }

    let (address, serving) = serve(&stage).await;
    let operator = Operator::over(Remote::new(&address, "ann").expect("it is an address"));
    let ended = operator
        .bulk(&plan, |_| {
            serving.abort();
            true
        })
        .await;
    assert_eq!(ended.expect_err("it is gone").code, "unreachable");
}

#[tokio::test]
async fn a_service_that_is_not_there_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("there is a port");
    let address = format!("http://{}", listener.local_addr().expect("it listens"));
    drop(listener);
    let operator = Operator::over(Remote::new(&address, "ann").expect("it is an address"));
    let refusal = operator.counts().await.expect_err("it is not there");
    assert_eq!(refusal.code, "unreachable");
    assert!(refusal.message.contains(&address), "{refusal}");
    let tls = Remote::new("https://shop.example/sagas", "ann").expect_err("it needs TLS");
    assert!(matches!(tls, RemoteError::Tls(_)), "{tls}");
    for wrong in ["shop.db", "ftp://shop", ""] {
        assert!(Remote::new(wrong, "ann").is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn a_console_answers_for_the_sagas_of_its_service_only() {
    let stage = stage(0, Console::writable).await;
    let (address, serving) = serve(&stage).await;
    let elsewhere = format!("{address}/elsewhere");
    let operator = Operator::over(Remote::new(&elsewhere, "ann").expect("it is an address"));
    let refusal = operator.counts().await.expect_err("there is no console");
    assert!(refusal.message.contains("is the path right?"), "{refusal}");
    serving.abort();
}
