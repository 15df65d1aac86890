//! An operator sees and steers sagas without the types of the service.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::poll;
use saga_runtime::journal::{Journal, Memory, Sqlite, State};
use saga_runtime::operator::{BulkPlan, Operator, Possible, Refusal, SagaCommand, SagaQuery};
use saga_runtime::{Context, EventName, event, saga, sleep, step};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::Notify;

use crate::shop::{Answer, Refused, Sell, Shop, becomes, builder, started};

const APPROVED: EventName<bool> = EventName::new("approved");

#[step(compensate = ())]
async fn look(cx: Context<'_, Shop>) -> Result<String, Refused> {
    cx.ask("look").await
}

saga!(
    async fn sell_approved(cx: Context<'_, Shop>) -> Result<bool, Refused> {
        look(cx).await?;
        Ok(event(cx, APPROVED).await)
    }
);

fn refund_fails() -> Shop {
    Shop::default()
        .always("ship", Answer::Refuses)
        .always("refund", Answer::Refuses)
}

/// Sagas that are stuck at their refund. The coordinator has ended.
async fn stuck(shop: &Shop, journal: impl Journal, sagas: usize) {
    let coordinator = started(shop, journal).await;
    for number in 0..sagas {
        let id = format!("order-{number}");
        let _ = coordinator.execute(id.as_str(), Sell { amount: 3 }).await;
    }
    coordinator.shutdown().await;
}

fn query(text: &str) -> SagaQuery {
    text.parse().expect("it is a query")
}

async fn ids(operator: &Operator, text: &str) -> Vec<String> {
    let listed = operator
        .list(&query(text))
        .await
        .expect("the journal works");
    listed.sagas.into_iter().map(|saga| saga.id).collect()
}

fn code<T: std::fmt::Debug>(answer: Result<T, Refusal>) -> String {
    answer.expect_err("it is refused").code
}

#[tokio::test]
async fn a_stuck_saga_is_found_read_and_mended_without_the_code_of_the_service() {
    let directory = TempDir::new().expect("there is room");
    let path = directory.path().join("shop.db");
    let shop = refund_fails();
    let journal = Sqlite::open(&path).await.expect("it is new");
    stuck(&shop, journal, 1).await;

    let journal = Sqlite::open(&path).await.expect("its owner has ended");
    let operator = Operator::on(journal.clone()).await.expect("it works");
    assert_eq!(
        ids(&operator, "state=stuck step=charge text=REFUND").await,
        ["order-0"]
    );
    for (filter, sagas) in [
        ("", 1),
        ("state=stuck", 1),
        ("step=charge", 1),
        ("step=reserve", 0),
        ("code=compensation_failed version=1", 1),
        ("version=2", 0),
        ("text=refund", 1),
        ("text=REFÜND", 0),
        ("state=queued", 0),
        ("age=1d", 0),
    ] {
        let counted = operator
            .count(&query(filter))
            .await
            .expect("it can be read");
        assert_eq!(counted, sagas, "{filter}");
    }
    let shown = operator.show("order-0").await.expect("it is there");
    let trouble = shown.saga.trouble.expect("it is stuck");
    assert_eq!(
        (trouble.code.as_str(), &*trouble.steps),
        ("compensation_failed", &["charge".to_owned()][..])
    );
    assert!(shown.input.is_none() && shown.entries.iter().all(|entry| entry.payload.is_none()));
    let possible: Vec<_> = shown
        .possible
        .iter()
        .map(|one| one.command.as_str())
        .collect();
    assert_eq!(possible, ["retry", "resolve", "skip", "abandon"]);
    let with_payloads = operator
        .show_payloads("order-0")
        .await
        .expect("it is there");
    assert_eq!(with_payloads.input.as_deref(), Some(r#"{"amount":3}"#));

    let compensate = operator
        .command("order-0", &SagaCommand::Compensate, "try")
        .await;
    let refusal = compensate.expect_err("the code is not here");
    assert_eq!(refusal.code, "needs_service");
    assert!(refusal.message.contains("charge"), "{refusal}");
    let no_reason = operator.command("order-0", &SagaCommand::Retry, " ").await;
    assert_eq!(code(no_reason), "no_reason");

    let step = "charge".to_owned();
    let resolve = SagaCommand::Resolve { step };
    let accepted = operator.command("order-0", &resolve, "paid in cash").await;
    let accepted = accepted.expect("it is stuck");
    assert_eq!(accepted.effect, "done");
    assert!(
        accepted.how.contains("when its service runs"),
        "{accepted:?}"
    );
    assert_eq!(
        code(operator.command("order-0", &resolve, "again").await),
        "not_stuck"
    );
    drop(operator);
    journal.close().await;

    let journal = reopened(&path).await;
    let coordinator = started(&shop, journal).await;
    becomes(&coordinator, "order-0", State::Compensated).await;
    coordinator.shutdown().await;
}

/// Opens a file whose last operator may be about to end.
async fn reopened(path: &std::path::Path) -> Sqlite {
    loop {
        match Sqlite::open(path).await {
            Ok(journal) => return journal,
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test]
async fn many_sagas_are_tried_first_and_then_mended_and_the_call_can_be_stopped() {
    let shop = refund_fails();
    let memory = Memory::new();
    stuck(&shop, memory.clone(), 12).await;
    let operator = Operator::on(memory.clone()).await.expect("it works");
    let plan = BulkPlan::new(
        query("state=stuck code=compensation_failed").limit(5),
        SagaCommand::Retry,
        "the bank is open",
    );
    let report = operator.bulk(&plan.clone().dry_run(true), |_| true).await;
    assert_eq!(report.expect("the journal works").accepted, 12);
    assert_eq!(
        ids(&operator, "state=stuck").await.len(),
        12,
        "a dry run does nothing"
    );

    let stopped = operator.bulk(&plan, |report| report.accepted < 3).await;
    let stopped = stopped.expect("the journal works");
    assert!(stopped.is_stopped);
    assert_eq!(stopped.ids, ["order-11", "order-10", "order-9"]);
    let limited = operator.bulk(&plan.clone().at_most(2), |_| true).await;
    assert_eq!(limited.expect("the journal works").accepted, 2);
    let rest = operator
        .bulk(&plan, |_| true)
        .await
        .expect("the journal works");
    assert_eq!(
        (rest.examined, rest.accepted, rest.is_stopped),
        (7, 7, false)
    );

    shop.behaves();
    let coordinator = started(&shop, memory).await;
    for number in 0..12 {
        becomes(&coordinator, &format!("order-{number}"), State::Compensated).await;
    }
    let counts = operator.counts().await.expect("the journal works");
    assert_eq!((counts.of("compensated"), counts.of("stuck")), (12, 0));
    let purged = operator
        .purge(SystemTime::now() + Duration::from_mins(1))
        .await;
    assert_eq!(purged.expect("the journal works"), 12);
}

#[tokio::test]
async fn pages_stay_stable_while_sagas_move() {
    let shop = refund_fails();
    let memory = Memory::new();
    stuck(&shop, memory.clone(), 10).await;
    let operator = Operator::on(memory.clone()).await.expect("it works");
    let (mut seen, mut list) = (Vec::new(), query("").limit(3));
    loop {
        let page = operator.list(&list).await.expect("the journal works");
        for saga in page.sagas {
            let command = SagaCommand::Abandon;
            let abandoned = operator
                .command(saga.id.as_str(), &command, "of no use")
                .await;
            abandoned.expect("it is stuck");
            seen.push(saga.id);
        }
        let Some(next) = page.next else { break };
        list = list.after(Some(next));
    }
    assert_eq!(seen.len(), 10);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 10);
}

#[tokio::test]
async fn an_operator_in_the_service_has_the_definitions_and_sends_events() {
    let shop = Shop::default();
    let coordinator = builder(&shop)
        .register::<SellApproved>()
        .journal(Memory::new())
        .start()
        .await
        .expect("the journal works");
    let operator = Operator::of(&coordinator);
    let handle = coordinator.submit("order-1", SellApproved {}).await;
    let handle = handle.expect("it is new");
    let waiting = loop {
        let shown = operator.show("order-1").await.expect("it is there");
        if !shown.waits.is_empty() {
            break shown;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(waiting.waits[0].event.as_deref(), Some("approved"));
    assert_eq!(waiting.possible[0].command, "send");
    let outline = waiting.outline.clone().expect("it is registered");
    let text = serde_json::to_string(&outline).expect("it is data");
    assert!(text.contains(r#""what":"event(APPROVED)""#), "{text}");
    let names = operator.definitions().await.expect("it is here");
    let names: Vec<_> = names.iter().map(|outline| outline.name.as_str()).collect();
    assert_eq!(names, ["sell", "sell_and_halt", "sell_approved"]);
    let send = SagaCommand::SendEvent {
        event: "approved".to_owned(),
        value: json!(true),
    };
    let calls = waiting.calls();
    let reached: Vec<_> = outline
        .body
        .iter()
        .map(|node| node.is_reached(&calls))
        .collect();
    assert_eq!(reached, [true, true]);
    let calls: Vec<_> = waiting_calls(&operator).await;
    assert_eq!(calls, ["look done", "event:approved waits"]);
    operator
        .command("order-1", &send, "asked by phone")
        .await
        .expect("it waits");
    assert!(handle.wait().await.expect("it completes"));
    assert_eq!(
        code(operator.command("order-1", &send, "again").await),
        "final"
    );
    assert_eq!(code(operator.show("another").await), "unknown");
}

async fn waiting_calls(operator: &Operator) -> Vec<String> {
    let shown = operator.show("order-1").await.expect("it is there");
    let calls = shown.calls();
    let words = calls
        .iter()
        .map(|call| format!("{} {}", call.call(), call.status.words()));
    words.collect()
}

#[tokio::test]
async fn a_file_that_a_service_owns_is_read_and_says_where_commands_go() {
    let directory = TempDir::new().expect("there is room");
    let path = directory.path().join("shop.db");
    let journal = Sqlite::open(&path).await.expect("it is new");
    let coordinator = started(&Shop::default(), journal).await;
    coordinator
        .execute("order-1", Sell { amount: 3 })
        .await
        .expect("it works");
    let file = Sqlite::open_read_only(&path).await.expect("it is there");
    let operator = Operator::read_only(file, "the service at http://127.0.0.1:1 owns the file");
    assert_eq!(
        ids(&operator, "state=completed name=sell version=1").await,
        ["order-1"]
    );
    assert_eq!(ids(&operator, "version=2").await, [""; 0]);
    let refusal = operator
        .command("order-1", &SagaCommand::Abandon, "no")
        .await;
    let refusal = refusal.expect_err("it is read only");
    assert_eq!(
        refusal.message,
        "the service at http://127.0.0.1:1 owns the file"
    );
    coordinator.shutdown().await;
}

#[tokio::test]
async fn a_definition_is_paused_and_resumed_without_the_code_of_the_service() {
    let shop = refund_fails();
    let memory = Memory::new();
    stuck(&shop, memory.clone(), 1).await;
    let operator = Operator::on(memory.clone()).await.expect("it works");
    assert_eq!(
        code(operator.pause("sel", "a misspelt name").await),
        "no_definition"
    );
    assert_eq!(code(operator.pause("sell", " ").await), "no_reason");
    assert_eq!(code(operator.resume("sell").await), "not_paused");
    let paused = operator.pause("sell", "the bank is closed").await;
    assert_eq!(paused.expect("it has a saga").effect, "done");
    let paused = operator.paused().await.expect("the journal works");
    assert_eq!(
        (&*paused[0].name, &*paused[0].reason),
        ("sell", "the bank is closed")
    );

    shop.behaves();
    let coordinator = started(&shop, memory.clone()).await;
    let handle = coordinator.submit("order-1", Sell { amount: 3 }).await;
    let handle = handle.expect("it is new");
    let service = Operator::of(&coordinator);
    for operator in [&operator, &service] {
        let queued = operator.list(&query("state=queued")).await;
        let queued = queued.expect("the journal works").sagas;
        assert_eq!(queued.len(), 1);
        assert_eq!(queued[0].condition, "queued");
        assert_eq!(queued[0].paused.as_deref(), Some("the bank is closed"));
        let shown = operator.show("order-1").await.expect("it is there");
        assert_eq!(shown.saga.paused.as_deref(), Some("the bank is closed"));
    }
    service.resume("sell").await.expect("it is paused");
    handle.wait().await.expect("it goes on");
    assert_eq!(operator.paused().await.expect("the journal works"), []);
    let workers = service.workers().await.expect("the journal works");
    assert_eq!(workers, [], "nothing runs");
}

saga!(
    async fn sell_later(cx: Context<'_, Shop>) -> Result<(), Refused> {
        sleep(cx, Duration::from_hours(1)).await;
        look(cx).await?;
        Ok(())
    }
);

#[tokio::test]
async fn sagas_are_found_by_what_they_wait_for_and_the_check_says_what_is_not_registered() {
    let (shop, memory) = (Shop::default(), Memory::new());
    let builder = builder(&shop)
        .register::<SellApproved>()
        .register::<SellLater>();
    let coordinator = builder
        .patience(Duration::ZERO)
        .journal(memory.clone())
        .start()
        .await
        .expect("the journal works");
    let event = coordinator.submit("event-1", SellApproved {}).await;
    let time = coordinator.submit("time-1", SellLater {}).await;
    drop((event.expect("it is new"), time.expect("it is new")));
    let operator = Operator::of(&coordinator);
    for (text, id) in [
        ("state=awaits_event", "event-1"),
        ("state=awaits_time", "time-1"),
    ] {
        while ids(&operator, text).await != [id] {
            tokio::task::yield_now().await;
        }
    }
    let check = operator.check().await.expect("the journal works");
    assert!(check.is_fine() && check.is_replayed, "{check:?}");
    assert_eq!(check.checked, 2);

    // Of many sagas those get an event that wait for it.
    let event = SagaCommand::SendEvent {
        event: "approved".to_owned(),
        value: json!(false),
    };
    let plan = BulkPlan::new(query(""), event, "by phone");
    for is_dry in [true, false] {
        let report = operator.bulk(&plan.clone().dry_run(is_dry), |_| true).await;
        let report = report.expect("the journal works");
        assert_eq!(
            (report.accepted, report.refused_count),
            (1, 1),
            "{report:?}"
        );
    }
    let asleep = operator.show("time-1").await.expect("it is there");
    assert_eq!(asleep.kept, []);
    while ids(&operator, "state=completed").await != ["event-1"] {
        tokio::task::yield_now().await;
    }
    let event = coordinator.submit("event-2", SellApproved {}).await;
    drop(event.expect("it is new"));
    while ids(&operator, "state=awaits_event").await != ["event-2"] {
        tokio::task::yield_now().await;
    }
    coordinator.shutdown().await;

    let coordinator = started(&shop, memory.clone()).await;
    let operator = Operator::of(&coordinator);
    let unregistered = query("state=unregistered");
    assert_eq!(
        ids(&operator, "state=unregistered").await,
        ["event-2", "time-1"]
    );
    assert_eq!(ids(&operator, "state=awaits_time").await, [""; 0]);
    let check = operator.check().await.expect("the journal works");
    assert!(check.is_replayed && !check.is_fine(), "{check:?}");
    assert_eq!((check.checked, check.misfit_count), (0, 0));

    let journal = Operator::on(memory).await.expect("it works");
    assert_eq!(code(journal.list(&unregistered).await), "needs_service");
    assert_eq!(ids(&journal, "state=awaits_event").await, ["event-2"]);
    for (text, sagas) in [("state=awaits_event", 1), ("state=awaits_time", 1), ("", 3)] {
        let counted = journal.count(&query(text)).await;
        assert_eq!(counted.expect("the journal works"), sagas, "{text}");
    }
    let seen = journal.check().await.expect("the journal works");
    assert!(!seen.is_replayed);
    for (check, is_registered) in [(check, Some(false)), (seen, None)] {
        let definitions = check.definitions.iter();
        let definitions = definitions.map(|one| (&*one.name, one.open, one.is_registered));
        assert_eq!(
            definitions.collect::<Vec<_>>(),
            [
                ("sell_approved", 1, is_registered),
                ("sell_later", 1, is_registered)
            ]
        );
    }
}

#[tokio::test]
async fn an_event_that_was_sent_by_mistake_is_dropped_and_the_right_one_is_sent() {
    let until = Arc::new(Notify::new());
    let shop = Shop::default().answers("look", [Answer::Waits(Arc::clone(&until))]);
    let builder = builder(&shop).register::<SellApproved>();
    let builder = builder.patience(Duration::ZERO).journal(Memory::new());
    let coordinator = builder.start().await.expect("the journal works");
    let operator = Operator::of(&coordinator);
    let handle = coordinator.submit("order-1", SellApproved {}).await;
    let handle = handle.expect("it is new");
    shop.is_asked("look").await;
    let approval = |value| SagaCommand::SendEvent {
        event: "approved".to_owned(),
        value: json!(value),
    };
    let event = "approved".to_owned();
    let drop_it = SagaCommand::DropEvent { event };
    let sent = operator
        .command("order-1", &approval(false), "a slip")
        .await;
    sent.expect("it is kept");
    let shown = operator
        .show_payloads("order-1")
        .await
        .expect("it is there");
    assert_eq!(shown.kept[0].value.as_deref(), Some("false"));
    let is_drop = |possible: &&Possible| possible.command == "drop";
    let possible = shown.possible.iter().find(is_drop);
    assert_eq!(
        possible.expect("it is kept").target.as_deref(),
        Some("approved")
    );

    // The attempt under way ends first. Until it does, the command waits.
    let mut dropping = pin!(operator.command("order-1", &drop_it, "it was a slip"));
    for _ in 0..100 {
        assert!(poll!(dropping.as_mut()).is_pending());
        tokio::task::yield_now().await;
    }
    until.notify_one();
    assert_eq!(dropping.await.expect("it was kept").effect, "done");
    while ids(&operator, "state=awaits_event").await != ["order-1"] {
        tokio::task::yield_now().await;
    }
    let shown = operator.show("order-1").await.expect("it is there");
    assert_eq!(shown.kept, []);
    assert_eq!(shown.set_aside[0].event, "approved");
    assert_eq!(shown.set_aside[0].reason, "dropped by hand: it was a slip");
    let lines = shown.entries.iter().map(|entry| &*entry.line);
    assert!(
        lines
            .clone()
            .any(|line| line == "event approved dropped by hand: it was a slip"),
        "{:?}",
        lines.collect::<Vec<_>>()
    );
    let again = operator.command("order-1", &drop_it, "again").await;
    let again = again.expect_err("it keeps none");
    assert_eq!(again.code, "no_event");
    assert!(again.message.ends_with("it keeps: none"), "{again}");
    let sent = operator
        .command("order-1", &approval(true), "by phone")
        .await;
    sent.expect("it waits");
    assert!(handle.wait().await.expect("it completes"));
}
