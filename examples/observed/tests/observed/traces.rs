//! One trace shows a saga over all of its runs, in whatever process.

use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use observed::traces::{OpenTelemetry, layer};
use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use saga_runtime::coordinator::Builder;
use saga_runtime::journal::Memory;
use saga_runtime::testing::TestCoordinator;
use saga_runtime::trace::TraceContext;
use saga_runtime::{Context, Coordinator, EventName, event, saga, step};
use tokio::sync::Notify;
use tracing::{Dispatch, Instrument, info_span};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;

const PAID: EventName<()> = EventName::new("paid");

/// While a process has one subscriber, what another thread meets first is off in all threads. So there is another one.
static ANOTHER: LazyLock<Dispatch> =
    LazyLock::new(|| Dispatch::new(tracing_subscriber::registry()));

/// A depot. A step that hangs says so, and never returns.
#[derive(Default)]
struct Depot {
    hangs: AtomicBool,
    is_hanging: Notify,
    sent: Mutex<Vec<(&'static str, TraceContext)>>,
}

impl Depot {
    /// Notes the trace context that a step sends on.
    fn send(&self, step: &'static str, trace: Option<TraceContext>) {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.extend(trace.map(|trace| (step, trace)));
    }

    /// The contexts that this step has sent on.
    fn sent(&self, step: &str) -> Vec<TraceContext> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let of_step = sent.iter().filter(|(name, _)| *name == step);
        of_step.map(|(_, trace)| trace.clone()).collect()
    }
}

#[step(compensate = unpack)]
async fn pack(cx: Context<'_, Depot>) -> Result<(), String> {
    cx.send("pack", cx.trace_context());
    Ok(())
}

async fn unpack(cx: Context<'_, Depot>, (): &()) -> Result<(), String> {
    cx.send("unpack", cx.trace_context());
    Ok(())
}

#[step(compensate = ())]
async fn load(cx: Context<'_, Depot>, fails: bool) -> Result<(), String> {
    cx.send("load", cx.trace_context());
    if cx.hangs.load(Ordering::Relaxed) {
        cx.is_hanging.notify_one();
        pending::<()>().await;
    }
    if fails {
        return Err("the van is full".to_owned());
    }
    Ok(())
}

saga!(
    async fn deliver(cx: Context<'_, Depot>, fails: bool) -> Result<(), String> {
        pack(cx).await?;
        load(cx, fails).await
    }
);

saga!(
    async fn order(cx: Context<'_, Depot>) -> Result<(), String> {
        pack(cx).await?;
        event(cx, PAID).await;
        load(cx, false).await
    }
);

/// The spans of one process, as far as it has exported them.
struct Exported {
    spans: InMemorySpanExporter,
    /// It forgets the spans when it is dropped.
    _provider: SdkTracerProvider,
    /// Keeps the process's subscriber in place.
    guard: Option<tracing::subscriber::DefaultGuard>,
}

impl Exported {
    /// The tracing of a process that begins.
    fn begin() -> Self {
        let spans = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(spans.clone())
            .build();
        let subscriber = tracing_subscriber::registry()
            .with(LevelFilter::INFO)
            .with(layer(&provider));
        LazyLock::force(&ANOTHER);
        let guard = tracing::subscriber::set_default(subscriber);
        Self {
            spans,
            _provider: provider,
            guard: Some(guard),
        }
    }

    fn end(&mut self) {
        self.guard = None;
    }

    fn all(&self) -> Vec<SpanData> {
        self.spans.get_finished_spans().expect("nothing has failed")
    }

    /// The spans with this name, the first that has ended first.
    fn named(&self, name: &str) -> Vec<SpanData> {
        let mut all = self.all();
        all.retain(|span| span.name == name);
        all
    }

    fn only(&self, name: &str) -> SpanData {
        let mut named = self.named(name);
        assert_eq!(named.len(), 1, "{name}: {named:?}");
        named.remove(0)
    }
}

fn id(span: &SpanData) -> SpanId {
    span.span_context.span_id()
}

fn trace(span: &SpanData) -> TraceId {
    span.span_context.trace_id()
}

fn attribute(span: &SpanData, name: &str) -> String {
    let found = span.attributes.iter().find(|one| one.key.as_str() == name);
    found.map_or_else(String::new, |found| found.value.to_string())
}

fn settings(depot: &Arc<Depot>) -> Builder<Depot> {
    Coordinator::builder(Arc::clone(depot))
        .trace_propagator(OpenTelemetry::default())
        .patience(Duration::ZERO)
        .register::<Deliver>()
        .register::<Order>()
}

/// Each request of a step has named the span of its attempt.
fn sends_its_spans(depot: &Depot, step: &str, spans: &[SpanData]) {
    let sent: Vec<_> = depot.sent(step).iter().map(ToString::to_string).collect();
    let context = |span: &SpanData| format!("00-{}-{}-01", trace(span), id(span));
    assert_eq!(
        sent,
        spans.iter().map(context).collect::<Vec<_>>(),
        "{step}"
    );
}

#[tokio::test]
async fn one_trace_shows_a_saga_before_and_after_a_crash() {
    let folder = tempfile::tempdir().expect("there is room");
    let depot = Arc::new(Depot::default());
    depot.hangs.store(true, Ordering::Relaxed);
    let mut first = Exported::begin();
    let started = {
        let depot = Arc::clone(&depot);
        TestCoordinator::start_in_file(folder.path().join("shop.db"), move || settings(&depot))
    };
    let mut coordinator = started.await;
    let submitted = coordinator.submit("order-1", Deliver { fails: true });
    let submitted = submitted.instrument(info_span!("request")).await;
    drop(submitted.expect("the journal is new"));
    depot.is_hanging.notified().await;
    coordinator.crash().await;
    first.end();

    depot.hangs.store(false, Ordering::Relaxed);
    let second = Exported::begin();
    coordinator.restart().await;
    let handle = coordinator.attach::<Deliver>("order-1").await;
    let ended = handle.expect("it is there").wait().await;
    ended.expect_err("the van is full");
    coordinator.shutdown().await;

    let request = first.only("request");
    let submit = first.only("submit deliver");
    assert_eq!(submit.parent_span_id, id(&request));
    let runs = [first.only("deliver"), second.only("deliver")];
    for run in &runs {
        assert_eq!(run.parent_span_id, id(&submit), "{run:?}");
        assert!(run.parent_span_is_remote);
        assert_eq!(attribute(run, "saga.id"), "order-1");
    }
    assert_eq!(attribute(&runs[1], "outcome"), "compensated");
    let (packed, loaded) = (
        first.only("pack"),
        [first.only("load"), second.only("load")],
    );
    let unpacked = second.only("compensate pack");
    for (step, run) in [
        (&packed, &runs[0]),
        (&loaded[0], &runs[0]),
        (&loaded[1], &runs[1]),
        (&unpacked, &runs[1]),
    ] {
        assert_eq!(step.parent_span_id, id(run), "{step:?}");
        assert_eq!(attribute(step, "saga.name"), "deliver");
    }
    for span in first.all().iter().chain(&second.all()) {
        assert_eq!(trace(span), trace(&request), "{span:?}");
    }
    sends_its_spans(&depot, "pack", &[packed]);
    sends_its_spans(&depot, "load", &loaded);
    sends_its_spans(&depot, "unpack", &[unpacked]);
}

#[tokio::test]
async fn one_trace_shows_a_saga_that_another_worker_runs() {
    let exported = Exported::begin();
    let journal = Memory::new();
    let busy = Arc::new(Depot::default());
    busy.hangs.store(true, Ordering::Relaxed);
    let submitter = settings(&busy).in_flight(1).journal(journal.clone());
    let submitter = submitter.start().await.expect("the journal is new");
    let first = submitter.submit("order-1", Deliver { fails: false }).await;
    drop(first.expect("the journal works"));
    busy.is_hanging.notified().await;
    // There is no slot here for the second one.
    let second = submitter.submit("order-2", Deliver { fails: false });
    let handle = second.instrument(info_span!("request")).await;
    let handle = handle.expect("the journal works");

    let free = Arc::new(Depot::default());
    let worker = settings(&free).journal(journal).start().await;
    let worker = worker.expect("the journal works");
    handle.wait().await.expect("nothing fails there");
    worker.shutdown().await;

    let request = exported.only("request");
    let run = exported.only("deliver");
    assert_eq!(attribute(&run, "saga.id"), "order-2");
    assert_eq!(trace(&run), trace(&request));
    assert_eq!(free.sent("load").len(), 1);
    assert_eq!(
        free.sent("load")[0].trace_id(),
        trace(&request).to_string(),
        "the other worker sends it on"
    );
}

#[tokio::test]
async fn a_rest_does_not_look_like_an_end() {
    let exported = Exported::begin();
    let depot = Arc::new(Depot::default());
    let settings = {
        let depot = Arc::clone(&depot);
        TestCoordinator::start(move || settings(&depot))
    };
    let coordinator = settings.await;
    let handle = coordinator.submit("order-1", Order {}).await;
    let handle = handle.expect("the journal is new");
    while exported.named("order").is_empty() {
        tokio::task::yield_now().await;
    }
    let rested = exported.only("order");
    assert_eq!(attribute(&rested, "outcome"), "rests");
    let sent = coordinator.send("order-1", PAID, &()).await;
    sent.expect("it is waiting");
    handle.wait().await.expect("nothing fails");
    coordinator.shutdown().await;
    let runs = exported.named("order");
    assert_eq!(attribute(&runs[1], "outcome"), "completed");
    assert_eq!(runs.len(), 2);
    // Nobody has a span around the submit: then its own begins the trace.
    let submit = exported.only("submit order");
    assert_eq!(submit.parent_span_id, SpanId::INVALID);
    for run in &runs {
        assert_eq!(run.parent_span_id, id(&submit));
        assert_eq!(trace(run), trace(&submit));
    }
}

#[tokio::test]
async fn a_caller_brings_the_trace_along() {
    let exported = Exported::begin();
    let depot = Arc::new(Depot::default());
    let coordinator = settings(&depot).journal(Memory::new()).start().await;
    let coordinator = coordinator.expect("the journal is new");
    let header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let context = TraceContext::new(header).expect("it is one");
    let context = context.with_tracestate("vendor=7");
    let caller = coordinator.in_trace(context.clone());
    let executed = caller.execute("order-1", Deliver { fails: false });
    let executed = executed.instrument(info_span!("other")).await;
    executed.expect("nothing fails");
    coordinator.shutdown().await;
    let submit = exported.only("submit deliver");
    assert_eq!(submit.parent_span_id.to_string(), context.span_id());
    assert_eq!(trace(&submit).to_string(), context.trace_id());
    let sent = depot.sent("load");
    assert_eq!(sent[0].trace_id(), context.trace_id());
    assert_eq!(sent[0].tracestate(), Some("vendor=7"));
}
