//! Long waits on Restate: for an attempt as long as its timeout allows, whatever the server's settings say, and a sleep without end.

use std::time::Duration;

use saga_restate::testing::Server;
use saga_restate::{Client, Endpoint, ExecuteError};
use saga_runtime::{Context, saga, sleep, step};

use crate::service::Service;
use crate::services::{Desk, Fixture, reserve};

#[step(compensate = (), timeout = "1m")]
async fn ponder(cx: Context<'_, Desk>) -> Result<String, String> {
    let pondered = cx.ask("ponder").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    pondered
}

saga!(
    async fn pondering(cx: Context<'_, Desk>) -> Result<String, String> {
        reserve(cx).await?;
        ponder(cx).await
    }
);

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_takes_longer_than_the_server_waits_is_not_cut_off() {
    let server = Server::start_with([
        ("RESTATE_WORKER__INVOKER__INACTIVITY_TIMEOUT", "200ms"),
        ("RESTATE_WORKER__INVOKER__ABORT_TIMEOUT", "200ms"),
    ]);
    let server = server.await.expect("a server");
    let desk = Desk::default();
    let service = Service::start(Endpoint::builder(desk.clone()).register::<Pondering>()).await;
    let registered = server.register(&service.url()).await;
    registered.expect("it is an endpoint");
    let client = Client::connect(&server.ingress()).expect("an address");
    let pondering = client.execute("1", &Pondering {});
    let pondered = tokio::time::timeout(Duration::from_mins(2), pondering).await;
    let pondered = pondered.unwrap_or_else(|_| panic!("it is cut off: {:?}", desk.asked()));
    assert_eq!(pondered.expect("it is well"), "ponder");
    assert_eq!(desk.asked(), ["reserve", "ponder"]);
}

saga!(
    async fn napping_for_ever(cx: Context<'_, Desk>) -> Result<(), String> {
        reserve(cx).await?;
        sleep(cx, Duration::MAX).await;
        Ok(())
    }
);

#[tokio::test(flavor = "multi_thread")]
async fn a_sleep_may_be_longer_than_any_clock_runs() {
    let fixture = Fixture::new().await;
    let endpoint = Endpoint::builder(fixture.desk.clone()).register::<NappingForEver>();
    let _service = fixture.serve(endpoint).await;
    let saga = fixture.client.submit("1", &NappingForEver {}).await;
    let saga = saga.expect("Restate takes it");
    fixture.sleeps(saga.invocation()).await;
    fixture.press(saga.invocation(), "cancel").await;
    let Err(ExecuteError::Failed(report)) = saga.wait().await else {
        panic!("it is cancelled");
    };
    assert!(report.is_compensated, "{report}");
    assert_eq!(fixture.desk.asked(), ["reserve", "undo reserve"]);
}
