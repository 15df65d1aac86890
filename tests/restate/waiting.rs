//! Sagas that wait take no slot of the server, and sagas that work are not interrupted for it.

use std::time::Duration;

use saga_restate::testing::Server;
use saga_restate::{Client, Endpoint};
use saga_runtime::{Context, EventName, event, saga, sleep, step};
use serde_json::Value;

use crate::service::Service;
use crate::services::{Desk, Fixture, Order, reserve};

/// Longer than any of this takes, and shorter than the time after which the server asks a silent saga to suspend itself.
const PATIENCE: Duration = Duration::from_secs(60);

const GO: EventName<u32> = EventName::new("go");

saga!(
    async fn resting(cx: Context<'_, Desk>) -> Result<(), String> {
        reserve(cx).await?;
        sleep(cx, Duration::from_hours(1)).await;
        Ok(())
    }
);

saga!(
    async fn expecting(cx: Context<'_, Desk>) -> Result<u32, String> {
        reserve(cx).await?;
        let first = event(cx, GO).await;
        let second = event(cx, GO).await;
        Ok(first + second)
    }
);

#[step(compensate = ())]
async fn slow(cx: Context<'_, Desk>, name: &'static str) -> Result<(), String> {
    tokio::time::sleep(Duration::from_secs(1)).await;
    cx.ask(name).await.map(drop)
}

saga!(
    async fn slow_pair(cx: Context<'_, Desk>) -> Result<(), String> {
        try_join!(slow(cx, "left"), slow(cx, "right"))?;
        Ok(())
    }
);

fn endpoint(desk: &Desk) -> Endpoint<Desk> {
    Endpoint::builder(desk.clone())
        .patience(Duration::from_millis(50))
        .register::<Resting>()
        .register::<Expecting>()
        .register::<SlowPair>()
        .register::<Order>()
}

async fn is_suspended(fixture: &Fixture, invocation: &str) {
    let suspended = async {
        while fixture.about(invocation, "status").await["status"] != "suspended" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let suspended = tokio::time::timeout(PATIENCE, suspended).await;
    suspended.expect("it only waits");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_sagas_may_wait_than_the_server_has_slots() {
    let slots = ("RESTATE_WORKER__INVOKER__CONCURRENT_INVOCATIONS_LIMIT", "3");
    let server = Server::start_with([slots]).await.expect("a server");
    let desk = Desk::default();
    let service = Service::start(endpoint(&desk)).await;
    let registered = server.register(&service.url()).await;
    registered.expect("it is an endpoint");
    let client = Client::connect(&server.ingress()).expect("an address");
    for number in 0..60 {
        let resting = client
            .submit(format!("resting-{number}"), &Resting {})
            .await;
        resting.expect("Restate takes it");
    }
    let order = Order {
        article: "tea".to_owned(),
    };
    let ordered = client.execute("order-1", &order);
    let ordered = tokio::time::timeout(PATIENCE, ordered).await;
    let ordered = ordered.expect("there is a slot for it");
    assert_eq!(ordered.expect("it is well"), "tea");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_saga_continues_where_it_was_at_each_event() {
    let fixture = Fixture::new().await;
    let _service = fixture.serve(endpoint(&fixture.desk)).await;
    let saga = fixture.client.submit("1", &Expecting {}).await;
    let saga = saga.expect("Restate takes it");
    is_suspended(&fixture, saga.invocation()).await;
    saga.send(GO, &1).await.expect("it waits for it");
    is_suspended(&fixture, saga.invocation()).await;
    saga.send(GO, &2).await.expect("it waits for it");
    assert_eq!(saga.wait().await.expect("it is well"), 3);
    assert_eq!(fixture.desk.asked(), ["reserve"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_members_of_a_slow_group_are_asked_once_whatever_the_server_is_set_to() {
    let server = Server::start_with([
        ("RESTATE_WORKER__INVOKER__INACTIVITY_TIMEOUT", "100ms"),
        ("RESTATE_WORKER__INVOKER__ABORT_TIMEOUT", "100ms"),
    ]);
    let server = server.await.expect("a server");
    let desk = Desk::default();
    let service = Service::start(endpoint(&desk)).await;
    let registered = server.register(&service.url()).await;
    registered.expect("it is an endpoint");
    let client = Client::connect(&server.ingress()).expect("an address");
    let pair = client.execute("1", &SlowPair {}).await;
    pair.expect("it is well");
    let mut asked = desk.asked();
    asked.sort();
    assert_eq!(asked, ["left", "right"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_saga_is_kept_for_as_long_as_its_endpoint_says() {
    let fixture = Fixture::new().await;
    let read = async |name: &str| -> Value {
        let path = format!("/services/{name}/handlers/run");
        let asked = fixture.server.ask(http::Method::GET, &path, String::new());
        serde_json::from_slice(&asked.await.expect("it is known")).expect("it is JSON")
    };
    let kept = read("order").await["workflow_completion_retention"].clone();
    assert_eq!(kept, "30 days");
    let endpoint = endpoint(&fixture.desk)
        .retention(Duration::from_hours(24 * 365))
        .journal_retention(Duration::from_hours(24 * 7));
    let _service = fixture.serve(endpoint).await;
    let resting = read("resting").await;
    assert_eq!(
        resting["workflow_completion_retention"], "1 year",
        "{resting}"
    );
    assert_eq!(resting["journal_retention"], "7 days", "{resting}");
}
