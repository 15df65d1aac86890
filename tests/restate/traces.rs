//! The trace of a saga: steps and compensations hand on what its start has given, in each process.

use http::Request;
use http_body_util::Full;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use saga_restate::Endpoint;
use saga_runtime::trace::{TraceContext, TracePropagator};
use saga_runtime::{Context, EventName, event, saga, step};

use crate::service::Service;
use crate::services::{Desk, Fixture};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const PAID: EventName<()> = EventName::new("paid");

/// Asks for something, and sends the trace on.
async fn send(cx: Context<'_, Desk>, what: &str) -> Result<(), String> {
    let trace = cx.trace_context();
    let trace = trace.as_ref();
    let headers = trace.into_iter().flat_map(TraceContext::headers);
    let headers: Vec<_> = headers.map(|(_, value)| value).collect();
    cx.ask(&format!("{what} {}", headers.join(" ")))
        .await
        .map(drop)
}

#[step(compensate = unpack)]
async fn pack(cx: Context<'_, Desk>) -> Result<(), String> {
    send(cx, "pack").await
}

async fn unpack(cx: Context<'_, Desk>, (): &()) -> Result<(), String> {
    send(cx, "unpack").await
}

saga!(
    #[saga(compensatable)]
    async fn packing(cx: Context<'_, Desk>) -> Result<(), String> {
        pack(cx).await
    }
);

saga!(
    async fn deliver(cx: Context<'_, Desk>) -> Result<(), String> {
        packing(cx).await?;
        event(cx, PAID).await;
        Err("the van is full".to_owned())
    }
);

fn deliveries(desk: &Desk) -> Endpoint<Desk> {
    Endpoint::builder(desk.clone()).register::<Deliver>()
}

fn trace() -> TraceContext {
    let trace = TraceContext::new(PARENT).expect("it is one");
    trace.with_tracestate("vendor=7")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_hands_on_the_trace_of_the_start_in_each_process() {
    let fixture = Fixture::new().await;
    let service = fixture.serve(deliveries(&fixture.desk)).await;
    let client = fixture.client.in_trace(trace());
    let saga = client.submit("1", &Deliver {}).await;
    let saga = saga.expect("Restate takes it");
    fixture.waits(saga.invocation(), "event/paid/0").await;
    let address = service.address;
    service.vanishes().await;
    let _service = Service::at(address, deliveries(&fixture.desk)).await;
    saga.send(PAID, &()).await.expect("it waits");
    saga.wait().await.expect_err("the van is full");
    let sent = [
        format!("pack {PARENT} vendor=7"),
        format!("unpack {PARENT} vendor=7"),
    ];
    assert_eq!(fixture.desk.asked(), sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_by_hand_gives_its_trace_in_the_headers() {
    let fixture = Fixture::new().await;
    let _service = fixture.serve(deliveries(&fixture.desk)).await;
    for handler in ["run", "start"] {
        let sent = fixture.client.send::<Deliver, ()>(handler, PAID, &()).await;
        sent.expect("it need not have begun");
        let before = fixture.desk.asked().len();
        let ingress = fixture.server.ingress();
        let request = Request::post(format!("{ingress}/deliver/{handler}/{handler}"))
            .header("content-type", "application/json")
            .header("traceparent", PARENT)
            .header("tracestate", "vendor=7")
            .body(Full::new(bytes::Bytes::from("{}")))
            .expect("it is a request");
        let http = HttpClient::builder(TokioExecutor::new()).build_http();
        let answer = http.request(request).await.expect("an answer");
        assert_eq!(answer.status(), 422);
        let sent = [
            format!("pack {PARENT} vendor=7"),
            format!("unpack {PARENT} vendor=7"),
        ];
        assert_eq!(fixture.desk.asked()[before..], sent, "{handler}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_trace_there_is_nothing_to_hand_on() {
    let fixture = Fixture::new().await;
    let _service = fixture.serve(deliveries(&fixture.desk)).await;
    let saga = fixture.client.submit("1", &Deliver {}).await;
    let saga = saga.expect("Restate takes it");
    saga.send(PAID, &()).await.expect("it waits");
    saga.wait().await.expect_err("the van is full");
    assert_eq!(fixture.desk.asked(), ["pack ", "unpack "]);
}

/// A tracing whose spans all have this id.
struct Tracing;

const SPAN: &str = "1111111111111111";

impl TracePropagator for Tracing {
    fn context_of(&self, _: &tracing::Span) -> Option<TraceContext> {
        let trace = trace();
        format!("00-{}-{SPAN}-01", trace.trace_id()).parse().ok()
    }

    fn set_parent(&self, _: &tracing::Span, _: &TraceContext) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_tracing_of_the_service_a_step_hands_on_the_span_of_its_attempt() {
    let fixture = Fixture::new().await;
    let traced = deliveries(&fixture.desk).trace_propagator(Tracing);
    let _service = fixture.serve(traced).await;
    let saga = fixture
        .client
        .in_trace(trace())
        .submit("1", &Deliver {})
        .await;
    let saga = saga.expect("Restate takes it");
    saga.send(PAID, &()).await.expect("it waits");
    saga.wait().await.expect_err("the van is full");
    let attempt = PARENT.replace("b7ad6b7169203331", SPAN);
    let sent = [format!("pack {attempt}"), format!("unpack {attempt}")];
    assert_eq!(fixture.desk.asked(), sent);
}
