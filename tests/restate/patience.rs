//! How long Restate waits: for an attempt as long as that may take, whatever the server is set to, and for ever if need be.

use std::time::Duration;

use saga_restate::testing::Server;
use saga_restate::{Client, Endpoint, ExecuteError};
use saga_runtime::{Context, saga, sleep, step};

use crate::desk::{Desk, Scene, reserve};
use crate::service::Service;

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
    let scene = Scene::new().await;
    let endpoint = Endpoint::builder(scene.desk.clone()).register::<NappingForEver>();
    let service = Service::start(endpoint).await;
    let registered = scene.server.register(&service.url()).await;
    registered.expect("it is an endpoint");
    let saga = scene.client.submit("1", &NappingForEver {}).await;
    let saga = saga.expect("Restate takes it");
    scene.sleeps(saga.invocation()).await;
    scene.press(saga.invocation(), "cancel").await;
    let Err(ExecuteError::Failed(report)) = saga.wait().await else {
        panic!("it is cancelled");
    };
    assert!(report.is_compensated, "{report}");
    assert_eq!(scene.desk.asked(), ["reserve", "undo reserve"]);
}
