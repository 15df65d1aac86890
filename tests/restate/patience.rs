//! How long Restate waits for an attempt: as long as that may take, whatever the server is set to.

use std::time::Duration;

use saga_restate::testing::Server;
use saga_restate::{Client, Endpoint};
use saga_runtime::{Context, saga, step};

use crate::desk::{Desk, reserve};
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
