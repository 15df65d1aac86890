//! The trace context of a saga without the service's tracing: what a caller has given, each step hands on, in each run.

use std::sync::{Arc, Mutex, PoisonError};

use saga_runtime::journal::State;
use saga_runtime::testing::TestCoordinator;
use saga_runtime::trace::TraceContext;
use saga_runtime::{Context, Coordinator, EventName, TestPlace, event, saga, step};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const PAID: EventName<()> = EventName::new("paid");

/// What was sent on: the name of the step, and its trace context.
#[derive(Default)]
struct Sent(Mutex<Vec<(&'static str, Option<String>)>>);

impl Sent {
    fn note(&self, step: &'static str, trace: Option<TraceContext>) {
        let trace = trace.map(|trace| {
            let state = trace.tracestate().unwrap_or("-");
            format!("{trace} {state}")
        });
        let mut sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sent.push((step, trace));
    }

    fn all(&self) -> Vec<(&'static str, Option<String>)> {
        let sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sent.clone()
    }
}

#[step(compensate = unpack)]
async fn pack(cx: Context<'_, Sent>) -> Result<(), String> {
    cx.note("pack", cx.trace_context());
    Ok(())
}

async fn unpack(cx: Context<'_, Sent>, (): &()) -> Result<(), String> {
    cx.note("unpack", cx.trace_context());
    Ok(())
}

#[step(compensate = ())]
async fn load(cx: Context<'_, Sent>) -> Result<(), String> {
    cx.note("load", cx.trace_context());
    Err("the van is full".to_owned())
}

saga!(
    #[saga(compensatable)]
    async fn packing(cx: Context<'_, Sent>) -> Result<(), String> {
        pack(cx).await
    }
);

saga!(
    async fn deliver(cx: Context<'_, Sent>) -> Result<(), String> {
        packing(cx).await?;
        event(cx, PAID).await;
        load(cx).await
    }
);

async fn started(sent: &Arc<Sent>, folder: &tempfile::TempDir) -> TestCoordinator<Sent> {
    let sent = Arc::clone(sent);
    let settings = move || Coordinator::builder(Arc::clone(&sent)).register::<Deliver>();
    TestCoordinator::start_in_file(folder.path().join("shop.db"), settings).await
}

#[tokio::test]
async fn what_the_caller_has_given_is_handed_on_in_each_run_by_each_step_and_compensation() {
    let folder = tempfile::tempdir().expect("there is room");
    let sent = Arc::new(Sent::default());
    let mut coordinator = started(&sent, &folder).await;
    let trace = TraceContext::new(PARENT).expect("it is one");
    let caller = coordinator.in_trace(trace.with_tracestate("vendor=7"));
    let submitted = caller.submit("order-1", Deliver {}).await;
    drop(submitted.expect("the journal is new"));
    while sent.all().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(caller);
    coordinator.crash().await;
    coordinator.restart().await;
    let paid = coordinator.send("order-1", PAID, &()).await;
    paid.expect("it waits");
    let handle = coordinator.attach::<Deliver>("order-1").await;
    let ended = handle.expect("it is there").wait().await;
    ended.expect_err("the van is full");
    let all = sent.all();
    let names: Vec<_> = all.iter().map(|(step, _)| *step).collect();
    assert_eq!(names[names.len() - 2..], ["load", "unpack"], "{all:?}");
    let given = Some(format!("{PARENT} vendor=7"));
    assert!(all.iter().all(|(_, trace)| *trace == given), "{all:?}");
    let inspected = coordinator.inspect("order-1").await;
    let inspected = inspected.expect("the journal works");
    let record = inspected.expect("it is there").record;
    assert_eq!(record.state, State::Compensated);
    let trace = record.saga.trace.expect("it is kept");
    assert_eq!(trace.traceparent(), PARENT);
}

#[tokio::test]
async fn without_a_trace_there_is_nothing_to_hand_on() {
    let folder = tempfile::tempdir().expect("there is room");
    let sent = Arc::new(Sent::default());
    let coordinator = started(&sent, &folder).await;
    let handle = coordinator.submit("order-1", Deliver {}).await;
    let handle = handle.expect("the journal is new");
    let paid = coordinator.send("order-1", PAID, &()).await;
    paid.expect("it is there");
    handle.wait().await.expect_err("the van is full");
    let all = sent.all();
    assert_eq!(all, [("pack", None), ("load", None), ("unpack", None)]);
}

#[tokio::test]
async fn a_unit_test_of_a_step_gives_it_a_trace() {
    let trace = TraceContext::new(PARENT).expect("it is one");
    let place = TestPlace::new().trace_context(trace.clone());
    assert_eq!(place.context(&()).trace_context(), Some(trace));
    assert_eq!(Context::for_test(&()).trace_context(), None);
}
