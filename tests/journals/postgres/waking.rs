//! Coordinators hear of each other long before they would ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use saga_runtime::coordinator::Inspection;
use saga_runtime::journal::{Postgres, State};
use saga_runtime::{Context, Coordinator, saga, step};
use serde::{Deserialize, Serialize};
use test_postgres::Server;
use tokio::sync::Notify;

use super::mistakes::Rewrite;

/// What the only step waits for.
#[derive(Default)]
struct Gate {
    asked: Notify,
    opened: Notify,
    is_failing: AtomicBool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("closed")
    }
}

fn is_closed(_: &Closed) -> bool {
    true
}

#[step(compensate = close, retry(attempts = 1000000, backoff = "1ms..2ms", when = is_closed))]
async fn pass(cx: Context<'_, Arc<Gate>>) -> Result<(), Closed> {
    cx.asked.notify_one();
    if cx.is_failing.load(Ordering::Acquire) {
        return Err(Closed);
    }
    cx.opened.notified().await;
    Ok(())
}

async fn close(_cx: Context<'_, Arc<Gate>>, (): &()) -> Result<(), Closed> {
    Ok(())
}

#[step(retriable)]
async fn after(_cx: Context<'_, Arc<Gate>>) -> Result<(), Closed> {
    Ok(())
}

saga!(
    async fn gated(cx: Context<'_, Arc<Gate>>) -> Result<u32, Closed> {
        pass(cx).await?;
        after(cx).await?;
        Ok(1)
    }
);

/// A coordinator that asks every 20 minutes.
async fn worker(name: &str, gate: &Arc<Gate>) -> Coordinator<Arc<Gate>> {
    mistaken_worker(name, gate, Duration::from_hours(1), None).await
}

/// A coordinator that asks three times in the length of its lease.
async fn mistaken_worker(
    name: &str,
    gate: &Arc<Gate>,
    lease: Duration,
    mistake: Option<Rewrite>,
) -> Coordinator<Arc<Gate>> {
    let mut options = Postgres::options().schema(format!("waking_{name}_{}", std::process::id()));
    if let Some(mistake) = mistake {
        options = options.rewritten(mistake);
    }
    let journal = options.connect(Server::shared().url()).await;
    let journal = journal.expect("the database works");
    Coordinator::builder(Arc::clone(gate))
        .journal(journal)
        .lease(lease)
        .register::<Gated>()
        .start()
        .await
        .expect("the journal works")
}

async fn becomes(coordinator: &Coordinator<Arc<Gate>>, what: &str, is_so: fn(&Inspection) -> bool) {
    becomes_within(Duration::from_secs(30), coordinator, what, is_so).await;
}

async fn becomes_within(
    limit: Duration,
    coordinator: &Coordinator<Arc<Gate>>,
    what: &str,
    is_so: fn(&Inspection) -> bool,
) {
    let reached = async {
        loop {
            let found = coordinator.inspect("one").await.expect("the journal works");
            if found.is_some_and(|found| is_so(&found)) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let reached = tokio::time::timeout(limit, reached).await;
    reached.unwrap_or_else(|_| panic!("it is not {what} in time"));
}

#[tokio::test]
async fn a_shutdown_hands_its_sagas_over_at_once() {
    let gate = Arc::new(Gate::default());
    let first = worker("handed_over", &gate).await;
    let second = worker("handed_over", &gate).await;
    let started = first.submit("one", Gated {}).await;
    let _handle = started.expect("it is new");
    gate.asked.notified().await;
    tokio::join!(first.shutdown(), async { gate.opened.notify_one() });
    let is_completed = |found: &Inspection| found.record.state == State::Completed;
    becomes(&second, "completed", is_completed).await;
}

#[tokio::test]
async fn from_the_end_of_the_last_attempt_to_the_next_one_elsewhere_a_shutdown_takes_a_moment() {
    let mut delays = Vec::new();
    for round in 0..5 {
        let gate = Arc::new(Gate::default());
        let name = format!("timed_{round}");
        let (first, second) = tokio::join!(worker(&name, &gate), worker(&name, &gate));
        let handle = first.submit("one", Gated {}).await.expect("it is new");
        gate.asked.notified().await;
        let stopped = tokio::spawn(async move { first.shutdown().await });
        tokio::task::yield_now().await;
        let began = std::time::Instant::now();
        gate.opened.notify_one();
        stopped.await.expect("it does not panic");
        // The step after it runs at the other worker.
        let is_completed = |found: &Inspection| found.record.state == State::Completed;
        becomes(&second, "completed", is_completed).await;
        delays.push(began.elapsed());
        drop(handle);
    }
    delays.sort();
    println!("handed over after {delays:?}");
    assert!(delays[2] < Duration::from_millis(200), "{delays:?}");
}

#[tokio::test]
async fn a_cancellation_reaches_the_worker_that_holds_the_saga() {
    let limit = Duration::from_secs(30);
    a_cancellation_is_heard("cancelled", limit, Duration::from_hours(1), None).await;
}

/// A worker cancels a saga that another one runs.
pub(super) async fn a_cancellation_is_heard(
    name: &str,
    limit: Duration,
    lease: Duration,
    mistake: Option<Rewrite>,
) {
    let gate = Arc::new(Gate {
        is_failing: AtomicBool::new(true),
        ..Gate::default()
    });
    let first = mistaken_worker(name, &gate, lease, mistake).await;
    let second = mistaken_worker(name, &gate, lease, mistake).await;
    let started = first.submit("one", Gated {}).await;
    let _handle = started.expect("it is new");
    gate.asked.notified().await;
    let cancelled = second.cancel("one", "not wanted any more").await;
    cancelled.expect("it can be cancelled");
    // The attempts end, and the step that they leave in doubt is settled.
    let is_heard = |found: &Inspection| !found.entries.is_empty();
    becomes_within(limit, &second, "cancelled", is_heard).await;
    gate.is_failing.store(false, Ordering::Release);
    gate.opened.notify_one();
    let is_compensated = |found: &Inspection| found.record.state == State::Compensated;
    becomes(&second, "compensated", is_compensated).await;
}
