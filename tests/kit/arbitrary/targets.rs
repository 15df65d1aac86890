//! What reads texts and rows of others, on arbitrary bytes: it panics never, and keeps its promises. The tests of the kit run these
//! functions on stable; `fuzz` runs them under libFuzzer.

use std::time::Duration;

use saga_runtime::coordinator::Builder;
use saga_runtime::journal::{
    Condition, Event, Journal, Lease, Memory, NewSaga, Row, Started, State, Wakeup, Worker,
};
use saga_runtime::testing::{Script, changes_since, lock_of, replay_of};
use saga_runtime::{
    Context, Coordinator, EventName, Kind, Saga, event, event_within, saga, sleep, step,
    try_join_all,
};

const PAID: EventName<u64> = EventName::new("paid");
const DAY: Duration = Duration::from_hours(24);

#[step(compensate = undo)]
async fn a(cx: Context<'_, Script>, value: u64) -> Result<u64, String> {
    cx.ask("a", cx.idempotency_key(), value).await
}

#[step(compensate = undo, in_doubt(when = |_| false, resolve = resolve))]
async fn b(cx: Context<'_, Script>, value: u64) -> Result<u64, String> {
    cx.ask("b", cx.idempotency_key(), value).await
}

async fn undo(cx: Context<'_, Script>, _: &u64) -> Result<(), String> {
    cx.undo("undo", cx.idempotency_key(), &cx.action_key())
        .await
}

async fn resolve(cx: Context<'_, Script>, _: u64) -> Result<(), String> {
    cx.undo("resolve", cx.idempotency_key(), &cx.action_key())
        .await
}

#[step(pivot)]
async fn ship(cx: Context<'_, Script>) -> Result<u64, String> {
    cx.ask("ship", cx.idempotency_key(), 1).await
}

#[step(retriable)]
async fn thank(cx: Context<'_, Script>) -> Result<(), String> {
    cx.ask("thank", cx.idempotency_key(), ()).await
}

saga!(
    #[saga(compensatable)]
    async fn part(cx: Context<'_, Script>, value: u64) -> Result<u64, String> {
        a(cx, value).await?;
        b(cx, value).await
    }
);

saga!(
    #[saga(deadline = "20d")]
    async fn everything(cx: Context<'_, Script>, value: u64) -> Result<u64, String> {
        let first = a(cx, value).await?;
        let _now = cx.now();
        if first > 1 {
            try_join!(b(cx, first), part(cx, first))?;
        }
        for round in 0..2 {
            if b(cx, round).await.is_err() {
                a(cx, round).await?;
            }
        }
        let items = [1, 2];
        try_join_all(2, &items, |item| a(cx, *item)).await?;
        sleep(cx, DAY).await;
        if event_within(cx, PAID, DAY).await.is_none() {
            part(cx, 3).await?;
        }
        let paid = event(cx, PAID).await;
        ship(cx).await?;
        thank(cx).await?;
        Ok(paid)
    }
);

fn sagas() -> Builder<Script> {
    Coordinator::builder(Script::new())
        .register::<Everything>()
        .register::<Part>()
}

/// The text of `sagas.lock` of the sagas here.
pub(crate) fn lock_text() -> String {
    lock_of(&sagas()).unwrap_or_else(|error| panic!("{error}"))
}

/// Reads the bytes as a `sagas.lock`, and compares it with the sagas here.
pub(crate) fn lock(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(changes) = changes_since(&text, &sagas()) {
        let told: usize = changes.iter().map(|change| change.to_string().len()).sum();
        assert!(changes.is_empty() || told > 0);
    }
}

/// Reads the bytes as exported histories, and replays them.
pub(crate) fn histories(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let report = runtime().block_on(replay_of(&text, &sagas()));
    if let Ok(report) = report {
        assert!(report.is_fine() || !report.to_string().is_empty());
        let panicked = report
            .misfits
            .iter()
            .any(|misfit| misfit.code == "panicked");
        assert!(!panicked, "{report}");
    }
}

/// Makes rows of the bytes: what is an event is written and read as the same event.
pub(crate) fn rows(data: &[u8]) {
    for event in events(data) {
        let again = Row::from(event.clone()).into_event(1);
        assert_eq!(again.as_ref(), Ok(&event));
    }
}

/// Recovers a saga with a history made of the bytes. It ends, is stuck for a reason, or waits for an event.
pub(crate) fn recovery(data: &[u8]) {
    runtime().block_on(async {
        let journal = Memory::in_tokio_time();
        let events = events(data);
        let story = format!("{events:?}");
        if !is_left(&journal, events).await {
            return;
        }
        let builder = sagas().journal(journal.clone()).lease(1000 * DAY);
        let started = builder.start().await;
        let coordinator = started.unwrap_or_else(|error| panic!("{error}"));
        tokio::time::sleep(90 * DAY).await;
        let inspected = coordinator.inspect("saga").await.ok().flatten();
        coordinator.shutdown().await;
        let inspected = inspected.unwrap_or_else(|| panic!("the saga is lost: {story}"));
        let record = &inspected.record;
        let rests = matches!(record.condition(), Condition::AwaitsEvent);
        assert!(
            record.state.is_final() || record.state == State::Stuck || rests,
            "the saga is {}: {story}\n{inspected}",
            record.state
        );
        assert!(
            !inspected.to_string().contains("panicked"),
            "{story}\n{inspected}"
        );
    });
}

/// Leaves a saga with these events, as far as a journal takes them, without a holder.
async fn is_left(journal: &Memory, events: Vec<Event>) -> bool {
    let lease = Lease {
        worker: Worker::new("gone"),
        duration: Duration::from_secs(1),
    };
    let saga = NewSaga {
        id: "saga".parse().unwrap_or_else(|error| panic!("{error}")),
        name: Everything::META.name.to_owned(),
        version: Everything::META.version,
        fingerprint: 7,
        input: r#"{"value":2}"#.to_owned(),
        trace: None,
    };
    let Ok(Started::New(Some(claim))) = journal.start(saga, Some(&lease)).await else {
        return false;
    };
    let appended = events.is_empty() || journal.append(&claim, 1, events).await.is_ok();
    // The events may have ended the claim.
    let _ = journal.release(&claim, false, Wakeup::Now).await;
    appended
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build();
    runtime.unwrap_or_else(|error| panic!("{error}"))
}

/// The events that the bytes are, each of them of nine bytes.
fn events(data: &[u8]) -> Vec<Event> {
    let rows = data.chunks(9).take(24).map(row);
    (1..)
        .zip(rows)
        .filter_map(|(seq, row)| row.into_event(seq).ok())
        .collect()
}

const CALLS: [&str; 16] = [
    "a",
    "b",
    "part/a",
    "part/b",
    "part#1/a",
    "part#1/b",
    "ship",
    "thank",
    "sleep",
    "event:paid",
    "now",
    "paid",
    "uuid",
    "",
    "/",
    "part#x/\u{1b}[2J",
];

const PAYLOADS: [&str; 16] = [
    "1",
    "2",
    "0",
    "null",
    "\"x\"",
    "18446744073709551615",
    "\"2026-11-29T03:00:00Z\"",
    "[]",
    "[\"a\",\"?\"]",
    "{}",
    "{",
    "",
    r#"{"phase":"forward","in_doubt":false,"since":1,"until":2}"#,
    r#"{"phase":"compensating","earlier":1,"in_doubt":true,"since":1,"until":18446744073709551615}"#,
    r#"{"phase":"settling","earlier":4294967295,"in_doubt":true,"since":9,"until":0}"#,
    "1764385200000000",
];

const CODES: [&str; 8] = [
    "error",
    "cancelled",
    "deadline_exceeded",
    "definition_changed",
    "0000000000000001",
    "zzz",
    "",
    "compensation_failed",
];

fn row(bytes: &[u8]) -> Row {
    let byte = |index: usize| usize::from(bytes.get(index).copied().unwrap_or_default());
    // Half of the values are the likely one.
    let some = |index: usize| byte(index) < 240;
    let event = Event::NAMES.get(byte(0) % 25).copied();
    let kind = Kind::ALL[byte(3) % Kind::ALL.len()].name();
    Row {
        event: event.unwrap_or("other").into(),
        step: some(1).then(|| CALLS[byte(1) % CALLS.len()].into()),
        occurrence: some(2).then(|| u32::try_from(byte(2) % 4).unwrap_or_default()),
        kind: some(3).then(|| kind.into()),
        attempts: some(4).then(|| u32::try_from(byte(4) % 3).unwrap_or_default()),
        code: some(5).then(|| CODES[byte(5) % CODES.len()].into()),
        message: some(6).then(|| "a reason".to_owned()),
        payload: some(7).then(|| PAYLOADS[byte(7) % PAYLOADS.len()].to_owned()),
    }
}
