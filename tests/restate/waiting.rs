//! Sagas that wait take no slot of the server, and sagas that work are not interrupted for it.

use std::time::Duration;

use saga_restate::testing::Server;
use saga_restate::{Client, Endpoint};
use saga_runtime::{
    Context, EventName, First, Saga, event, event_within, first_of, saga, sleep, step,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::service::Service;
use crate::services::{Desk, Fixture, Order, reserve};

/// Longer than any of this takes, and shorter than the time after which the server asks a silent saga to suspend itself.
const PATIENCE: Duration = Duration::from_mins(1);

const GO: EventName<u32> = EventName::new("go");
const STOP: EventName<u32> = EventName::new("stop");

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

saga!(
    #[saga(compensatable)]
    async fn told(cx: Context<'_, Desk>) -> Result<u32, String> {
        reserve(cx).await?;
        match first_of(cx, (GO, STOP)).await {
            First::A(told) | First::B(told) => Ok(told),
        }
    }
);

saga!(
    #[saga(compensatable)]
    async fn told_in_time(cx: Context<'_, Desk>) -> Result<Option<u32>, String> {
        reserve(cx).await?;
        Ok(event_within(cx, GO, Duration::from_millis(100)).await)
    }
);

saga!(
    #[saga(compensatable)]
    async fn told_once(cx: Context<'_, Desk>) -> Result<u32, String> {
        reserve(cx).await?;
        Ok(event(cx, GO).await)
    }
);

saga!(
    async fn both_told(cx: Context<'_, Desk>) -> Result<u32, String> {
        let (one, other) = try_join!(told(cx), told(cx))?;
        Ok(10 * one + other)
    }
);

saga!(
    async fn one_told(cx: Context<'_, Desk>) -> Result<u32, String> {
        let (one, other) = try_join!(told(cx), told_once(cx))?;
        Ok(10 * one + other)
    }
);

saga!(
    /// The wait of the first member ends in vain.
    async fn told_late(cx: Context<'_, Desk>) -> Result<u32, String> {
        let (in_vain, late) = try_join!(told_in_time(cx), told_once(cx))?;
        Ok(late + in_vain.unwrap_or_default())
    }
);

fn endpoint(desk: &Desk) -> Endpoint<Desk> {
    Endpoint::builder(desk.clone())
        .patience(Duration::from_millis(50))
        .register::<Resting>()
        .register::<Expecting>()
        .register::<SlowPair>()
        .register::<BothTold>()
        .register::<OneTold>()
        .register::<ToldLate>()
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
        let path = format!("/services/{name}");
        let asked = fixture.server.ask(http::Method::GET, &path, String::new());
        serde_json::from_slice(&asked.await.expect("it is known")).expect("it is JSON")
    };
    assert_eq!(read("order").await["workflow_completion_retention"], "30d");
    let endpoint = endpoint(&fixture.desk)
        .retention(Duration::from_hours(24 * 3))
        .journal_retention(Duration::from_hours(24 * 2));
    let _service = fixture.serve(endpoint).await;
    let resting = read("resting").await;
    assert_eq!(resting["workflow_completion_retention"], "3d", "{resting}");
    let resting = resting["handlers"].as_array().expect("it has handlers");
    let run = resting.iter().find(|handler| handler["name"] == "run");
    let run = run.expect("it runs");
    assert_eq!(run["journal_retention"], "2d", "{run}");
}

/// Submits a saga, and sends it an event when it waits for this promise, and the other one when another wait has what the first has left.
async fn told_one_by_one<G>(
    saga: G,
    promise: &str,
    events: [(EventName<u32>, u32); 2],
    left: &str,
) -> u32
where
    G: Saga<Output = u32> + Serialize + DeserializeOwned,
{
    let fixture = Fixture::new().await;
    let _service = fixture.serve(endpoint(&fixture.desk)).await;
    let submitted = fixture.client.submit("1", &saga).await;
    let submitted = submitted.expect("Restate takes it");
    let invocation = submitted.invocation();
    fixture.waits(invocation, promise).await;
    let [first, other] = events;
    let sent = fixture.client.send::<G, _>("1", first.0, &first.1).await;
    sent.expect("it has not ended");
    let waits = tokio::time::timeout(PATIENCE, fixture.waits_again(invocation, left));
    waits.await.expect("it is handed what the other has left");
    let sent = fixture.client.send::<G, _>("1", other.0, &other.1).await;
    sent.expect("it has not ended");
    let ended = tokio::time::timeout(PATIENCE, submitted.wait()).await;
    ended
        .expect("it does not wait for ever")
        .expect("it is done")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_member_leaves_unread_goes_to_another_that_waits_for_the_first_of_both() {
    let events = [(GO, 1), (STOP, 2)];
    let told = told_one_by_one(BothTold {}, "event/stop/1", events, "event/stop/0").await;
    assert_eq!(told, 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_member_leaves_unread_goes_to_another_that_waits_for_it() {
    let events = [(STOP, 3), (GO, 4)];
    let told = told_one_by_one(OneTold {}, "event/go/1", events, "event/go/0").await;
    assert_eq!(told, 34);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_came_too_late_for_a_member_goes_to_another() {
    let fixture = Fixture::new().await;
    let _service = fixture.serve(endpoint(&fixture.desk)).await;
    let saga = fixture.client.submit("1", &ToldLate {}).await;
    let saga = saga.expect("Restate takes it");
    let waits = fixture.waits_again(saga.invocation(), "event/go/0");
    let waits = tokio::time::timeout(PATIENCE, waits).await;
    waits.expect("it is handed what the other has left");
    let sent = fixture.client.send::<ToldLate, _>("1", GO, &5).await;
    sent.expect("it has not ended");
    let ended = tokio::time::timeout(PATIENCE, saga.wait()).await;
    let told = ended.expect("it does not wait for ever");
    assert_eq!(told.expect("it is done"), 5);
}
