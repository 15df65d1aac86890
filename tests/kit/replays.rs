//! Histories of production as test data: exported, and replayed against the definitions of today.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use saga_runtime::coordinator::Builder;
use saga_runtime::journal::Memory;
use saga_runtime::operator::{Operator, Refusal};
use saga_runtime::testing::{ReplayReport, Script, ScriptedAnswer, replay_of, replays};
use saga_runtime::{Context, Coordinator, EventName, event_within, saga, step};
use serde_json::Value;

const PAID: EventName<u64> = EventName::new("paid");

/// The sagas of a journal, one on each line.
pub(crate) async fn exported(journal: &Memory, payloads: bool) -> String {
    let operator = Operator::read_only(journal.clone(), "it is only read");
    let mut lines = String::new();
    let query = "".parse().expect("it is a filter");
    let export = operator.export(&query, payloads, |saga| {
        lines += &serde_json::to_string(saga).expect("it is JSON");
        lines.push('\n');
        Ok::<_, Refusal>(())
    });
    let sagas = export.await.expect("it is in memory");
    assert_eq!(lines.lines().count() as u64, sagas);
    lines
}

#[step(compensate = cancel)]
async fn reserve(cx: Context<'_, Script>, item: &str) -> Result<String, String> {
    cx.ask("reserve", cx.idempotency_key(), item.to_owned())
        .await
}

async fn cancel(cx: Context<'_, Script>, _: &String) -> Result<(), String> {
    cx.undo("cancel", cx.idempotency_key(), &cx.action_key())
        .await
}

#[step(compensate = refund)]
async fn charge(cx: Context<'_, Script>, amount: u64) -> Result<u64, String> {
    cx.ask("charge", cx.idempotency_key(), amount).await
}

async fn refund(cx: Context<'_, Script>, _: &u64) -> Result<(), String> {
    cx.undo("refund", cx.idempotency_key(), &cx.action_key())
        .await
}

#[step(pivot)]
async fn ship(cx: Context<'_, Script>) -> Result<(), String> {
    cx.ask("ship", cx.idempotency_key(), ()).await
}

saga!(
    #[saga(compensatable)]
    async fn pack(cx: Context<'_, Script>, items: Vec<String>) -> Result<u64, String> {
        for item in &items {
            reserve(cx, item).await?;
        }
        charge(cx, 1).await
    }
);

saga!(
    async fn sale(cx: Context<'_, Script>, items: Vec<String>) -> Result<u64, String> {
        let first = pack(cx, items.clone()).await?;
        if reserve(cx, "a bag").await.is_err() {
            reserve(cx, "a box").await?;
        }
        let paid = event_within(cx, PAID, Duration::from_mins(1)).await;
        match paid {
            Some(amount) if amount > 100 => {
                try_join!(reserve(cx, "gift"), charge(cx, amount))?;
            }
            Some(amount) => {
                charge(cx, amount).await?;
            }
            None => return Err("not paid".to_owned()),
        }
        ship(cx).await?;
        Ok(first)
    }
);

/// The saga `sale` of other releases.
mod later {
    use super::{Context, Duration, PAID, Script, charge, event_within, reserve, saga, ship};

    saga!(
        #[saga(name = "sale")]
        pub(super) async fn without_a_called_saga(
            cx: Context<'_, Script>,
            items: Vec<String>,
        ) -> Result<u64, String> {
            for item in &items {
                reserve(cx, item).await?;
            }
            let paid = event_within(cx, PAID, Duration::from_mins(1)).await;
            charge(cx, paid.unwrap_or_default()).await?;
            ship(cx).await?;
            Ok(1)
        }
    );

    saga!(
        #[saga(name = "sale")]
        pub(super) async fn other_input(
            cx: Context<'_, Script>,
            article: u64,
        ) -> Result<u64, String> {
            charge(cx, article).await
        }
    );
}

/// Six sagas with different ends. Two items hold a secret that no masked history tells.
pub(crate) async fn shop() -> Memory {
    let (script, journal) = (Script::new(), Memory::in_tokio_time());
    let coordinator = Coordinator::builder(script.clone())
        .journal(journal.clone())
        .register::<Sale>()
        .start()
        .await
        .expect("it can be registered");
    let items = vec!["a secret".to_owned(), "a cup".to_owned()];
    for (id, paid, refused) in [
        ("done", Some(7), None),
        ("gift", Some(700), None),
        ("unpaid", None, None),
        ("refused", Some(7), Some("ship")),
        ("undone", Some(7), Some("reserve")),
    ] {
        if let Some(refused) = refused {
            script.next(refused, ScriptedAnswer::Refuses);
        }
        let sale = Sale {
            items: items.clone(),
        };
        let handle = coordinator.submit(id, sale).await.expect("it is new");
        if id == "gift" {
            // The reason why it can't be read has the value.
            let value = Value::from("a secret");
            let sent = coordinator.send_json(id, "paid", &value).await;
            sent.expect("it waits for that");
        }
        if let Some(paid) = paid {
            let sent = coordinator.send(id, PAID, &paid).await;
            sent.expect("it waits for that");
        }
        let _ = handle.wait().await;
    }
    let open = coordinator.submit("open", Sale { items }).await;
    drop(open.expect("it is new"));
    while !coordinator
        .inspect("open")
        .await
        .expect("it is in memory")
        .expect("it is there")
        .awaits(PAID)
    {
        tokio::task::yield_now().await;
    }
    coordinator.shutdown().await;
    journal
}

fn sagas() -> Builder<Script> {
    Coordinator::builder(Script::new())
}

async fn report(lines: &str, sagas: &Builder<Script>) -> ReplayReport {
    let report = replay_of(lines, sagas).await;
    report.expect("they are histories")
}

#[tokio::test(start_paused = true)]
async fn histories_of_every_end_fit_the_definition_that_made_them() {
    let lines = exported(&shop().await, true).await;
    let services = Script::new();
    let sagas = Coordinator::builder(services.clone()).register::<Sale>();
    let report = report(&lines, &sagas).await;
    assert!(report.is_fine(), "{report}");
    assert_eq!((report.replayed, report.compared), (6, 0));
    assert_eq!(services.ledger(), [], "the services are asked for nothing");
}

#[tokio::test(start_paused = true)]
async fn a_history_without_payloads_is_compared_with_the_structure() {
    let masked = exported(&shop().await, false).await;
    assert!(!masked.contains("secret"), "{masked}");
    let report_of = async |lines: &str| report(lines, &sagas().register::<Sale>()).await;
    let whole = report_of(&masked).await;
    assert!(whole.is_fine(), "{whole}");
    assert_eq!((whole.replayed, whole.compared), (0, 6));

    // Of another release with the same calls: the fingerprints differ.
    let lines = masked.lines().map(|line| {
        let mut saga: Value = serde_json::from_str(line).expect("it is JSON");
        saga["fingerprint"] = Value::Null;
        saga.to_string()
    });
    let lines: Vec<_> = lines.collect();
    let same_calls = report_of(&lines.join("\n")).await;
    assert!(same_calls.is_fine(), "{same_calls}");

    let other = sagas().register::<later::WithoutACalledSaga>();
    let other = report(&lines.join("\n"), &other).await;
    assert_eq!(other.misfits.len(), 6, "{other}");
    let told = other.to_string();
    assert!(
        told.contains(
            "the definition of `sale` has changed: call 1 is recorded as step `pack/reserve` (compensatable), and no way through \
             the definition has it there now"
        ),
        "{told}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_told_in_the_words_of_a_check() {
    let journal = shop().await;
    let lines = exported(&journal, true).await;
    let later = || sagas().register::<later::WithoutACalledSaga>();
    let report = report(&lines, &later()).await;
    let checked = later().journal(journal).check().await;
    let checked = checked.expect("the journal is in memory");
    let open: Vec<_> = checked.misfits.iter().collect();
    let same = report
        .misfits
        .iter()
        .filter(|one| one.id.as_str() == "open");
    assert_eq!(same.collect::<Vec<_>>(), open, "{report}");
    assert_eq!(open.len(), 1, "{checked}");
    let told = report.to_string();
    for line in [
        "6 histories replayed, 6 do not fit their definitions\n",
        "  saga done (sale, version 1): definition_changed: the definition of `sale` has changed: call 1",
    ] {
        assert!(told.contains(line), "{line} in {told}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_input_that_can_not_be_read_any_more_is_seen_by_a_replay_only() {
    let journal = shop().await;
    let sagas = sagas().register::<later::OtherInput>();
    let replayed = report(&exported(&journal, true).await, &sagas).await;
    let told = replayed.to_string();
    assert!(
        told.contains("unreadable: the recorded input can't be read: missing field `article`"),
        "{told}"
    );
    assert_eq!(replayed.misfits.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_history_of_a_saga_that_is_not_registered_is_told() {
    let lines = exported(&shop().await, true).await;
    let report = report(&lines, &sagas().register::<Pack>()).await;
    assert!(!report.is_fine());
    let told = report.to_string();
    let line = "  not registered: sale, version 1: 6 histories\n";
    assert!(told.contains(line), "{told}");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_history_is_told_with_its_line() {
    let lines = exported(&shop().await, true).await;
    let sagas = sagas().register::<Sale>();
    let broken = format!("{lines}\n{{\"saga\": 1}}\n");
    let error = replay_of(&broken, &sagas).await;
    let error = error.expect_err("the last line is none").to_string();
    assert!(error.starts_with("line 8 is no history: "), "{error}");

    // Older programs did not export the kinds of the steps.
    let mut old: Value =
        serde_json::from_str(lines.lines().next().expect("there is one")).expect("it is JSON");
    for entry in old["entries"].as_array_mut().expect("it is a list") {
        entry.as_object_mut().expect("an entry").remove("kind");
    }
    let report = report(&old.to_string(), &sagas).await;
    let told = report.to_string();
    assert!(told.contains("without its `occurrence`"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_test_fails_with_its_file_and_the_misfits() {
    let directory = tempfile::TempDir::new().expect("there is room");
    let file = directory.path().join("histories.jsonl");
    let failed = async |sagas: &Builder<Script>| {
        let checked = AssertUnwindSafe(replays(&file, sagas)).catch_unwind().await;
        let panic = checked.err()?;
        panic.downcast_ref::<String>().cloned()
    };
    let sagas_of_today = sagas().register::<Sale>();
    let missing = failed(&sagas_of_today).await.expect("there is no file");
    assert!(missing.contains("can't be read"), "{missing}");
    std::fs::write(&file, "\n").expect("there is room");
    let empty = failed(&sagas_of_today).await.expect("it has no history");
    assert!(empty.ends_with("has no history"), "{empty}");
    let lines = exported(&shop().await, true).await;
    std::fs::write(&file, lines).expect("there is room");
    assert_eq!(failed(&sagas_of_today).await, None);
    let later = sagas().register::<later::WithoutACalledSaga>();
    let misfits = failed(&later).await.expect("they do not fit");
    assert!(
        misfits.contains("histories.jsonl: 6 histories replayed, 6 do not fit"),
        "{misfits}"
    );
}
