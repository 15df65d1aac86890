//! The faults of waits and records. A buggy saga for each kind, and sound ones that pass.

use std::sync::Mutex;
use std::time::Duration;

use saga_runtime::testing::{FailureMatrix, MatrixReport, Script};
use saga_runtime::{Context, EventName, First, event, event_within, first_of, saga, sleep, step};

const APPROVED: EventName<bool> = EventName::new("approved");
const PAID: EventName<u64> = EventName::new("paid");
const DAY: Duration = Duration::from_hours(24);

#[step(compensate = cancel)]
async fn order(cx: Context<'_, Script>) -> Result<u64, String> {
    cx.ask("order", cx.idempotency_key(), 17).await
}

async fn cancel(cx: Context<'_, Script>, _order: &u64) -> Result<(), String> {
    cx.undo("cancel", cx.idempotency_key(), &cx.action_key())
        .await
}

#[step(pivot)]
async fn ship(cx: Context<'_, Script>) -> Result<(), String> {
    cx.ask("ship", cx.idempotency_key(), ()).await
}

saga!(
    /// Waits without a limit, and sleeps.
    async fn waits_for_ever(cx: Context<'_, Script>) -> Result<u64, String> {
        order(cx).await?;
        let amount = event(cx, PAID).await;
        sleep(cx, DAY).await;
        ship(cx).await?;
        Ok(amount)
    }
);

fn all_or_nothing(script: &Script, end: &saga_runtime::testing::CaseEnd) -> bool {
    script.effects().len() == if end.is_completed() { 2 } else { 0 }
}

#[test]
fn each_wait_has_its_faults() {
    let report = FailureMatrix::new(Script::new, || WaitsForEver {})
        .event(PAID, &3)
        .invariant("all or nothing", all_or_nothing)
        .run();
    assert!(report.is_ok(), "{report}");
    let cases = report.names();
    for case in [
        "event paid: arrives before it is waited for",
        "event paid: arrives twice",
        "event paid: never arrives",
        "event paid: another type arrives first",
        "event paid: process ends while it waits",
        "event paid: process ends after the arrival",
        "event paid: cancelled during it + cancel process ends after the effect",
        "sleep: process ends while it waits",
        "sleep: cancelled during it",
        "order: process ends after the record",
        "ship: process ends after the record",
    ] {
        assert!(cases.iter().any(|known| known == case), "{case}: {cases:?}");
    }
}

#[test]
fn a_wait_without_a_value_is_named() {
    let report = FailureMatrix::new(Script::new, || WaitsForEver {}).run();
    assert!(report.is_ok(), "{report}");
    let summary = report.summary();
    assert!(
        summary.contains("the saga waits for the event `paid`: give a value with `event`"),
        "{summary}"
    );
}

/// Runs the matrix of a shop with an approval.
macro_rules! approved {
    ($saga:ident) => {
        FailureMatrix::new(Script::new, || $saga {})
            .event(APPROVED, &true)
            .invariant("all or nothing", all_or_nothing)
            .run()
    };
}

fn assert_found(report: &MatrixReport, case: &str, problem: &str) {
    let text = report.to_string();
    assert!(text.contains(&format!("\n\n{case}\n")), "{text}");
    assert!(text.contains(problem), "{text}");
}

saga!(
    /// Takes silence for an approval, and then does nothing.
    async fn takes_silence_for_a_yes(cx: Context<'_, Script>) -> Result<(), String> {
        order(cx).await?;
        if event_within(cx, APPROVED, DAY).await == Some(true) {
            ship(cx).await?;
        }
        Ok(())
    }
);

#[test]
fn a_saga_that_completes_without_its_event_is_found() {
    assert_found(
        &approved!(TakesSilenceForAYes),
        "event approved: never arrives",
        "But the invariant is broken: all or nothing",
    );
}

saga!(
    /// Takes every second event for another approval.
    async fn ships_twice(cx: Context<'_, Script>) -> Result<(), String> {
        order(cx).await?;
        if event_within(cx, APPROVED, DAY).await != Some(true) {
            return Err("not approved".to_owned());
        }
        if event_within(cx, APPROVED, DAY).await.is_some() {
            order(cx).await?;
        }
        ship(cx).await?;
        Ok(())
    }
);

#[test]
fn a_saga_that_acts_on_each_event_is_found() {
    let report = FailureMatrix::new(Script::new, || ShipsTwice {})
        .event(APPROVED, &true)
        .invariant("one order", |script, _| {
            let orders = script.effects();
            orders.iter().filter(|key| key.contains("/order/")).count() <= 1
        })
        .run();
    let text = report.to_string();
    assert!(text.contains("one order"), "{text}");
}

/// A clock that a body must not read: it goes on with each process, and each replay.
static PROCESSES: Mutex<u32> = Mutex::new(0);

saga!(
    /// Takes another way after a restart.
    async fn counts_its_processes(cx: Context<'_, Script>) -> Result<(), String> {
        order(cx).await?;
        event_within(cx, APPROVED, DAY).await;
        *PROCESSES.lock().expect("nothing panics with it") += 1;
        if PROCESSES
            .lock()
            .expect("nothing panics with it")
            .is_multiple_of(2)
        {
            sleep(cx, DAY).await;
        }
        ship(cx).await?;
        Ok(())
    }
);

#[test]
fn a_body_that_takes_another_way_after_a_record_is_found() {
    let report = approved!(CountsItsProcesses);
    let text = report.to_string();
    assert!(text.contains("takes another way"), "{text}");
}

/// Services that answer from another thread, after a moment.
struct Remote(Script);

#[step(compensate = cancel_far, timeout = "5s")]
async fn order_far(cx: Context<'_, Remote>) -> Result<u64, String> {
    far().await;
    cx.0.ask("order", cx.idempotency_key(), 17).await
}

async fn cancel_far(cx: Context<'_, Remote>, _: &u64) -> Result<(), String> {
    far().await;
    cx.0.undo("cancel", cx.idempotency_key(), &cx.action_key())
        .await
}

/// An answer from another thread, as from a database.
async fn far() {
    let (sender, answer) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        std::thread::yield_now();
        let _ = sender.send(());
    });
    answer.await.expect("the thread answers");
}

saga!(
    async fn far_away(cx: Context<'_, Remote>) -> Result<u64, String> {
        let order = order_far(cx).await?;
        order_far(cx).await?;
        Ok(order)
    }
);

#[test]
fn services_may_answer_from_another_thread() {
    let report = FailureMatrix::new_async(
        async || {
            far().await;
            Remote(Script::new())
        },
        || FarAway {},
    )
    .invariant_async("all or nothing", async |remote, end| {
        far().await;
        remote.0.effects().len() == if end.is_completed() { 2 } else { 0 }
    })
    .run();
    assert!(report.is_ok(), "{report}");
    let timed_out = |name: &&String| name.contains("timed out");
    assert!(report.names().iter().filter(timed_out).count() > 10);
}

#[test]
fn an_invariant_that_asks_its_services_and_does_not_hold_is_told() {
    let report = FailureMatrix::new(|| Remote(Script::new()), || FarAway {})
        .invariant_async("nobody orders", async |remote, _| {
            far().await;
            assert_eq!(remote.0.ledger().len(), 0);
        })
        .run();
    let text = report.to_string();
    assert!(
        text.contains("But the invariant is broken: nobody orders: assertion"),
        "{text}"
    );
}

const DECLINED: EventName<String> = EventName::new("declined");

saga!(
    /// Waits for the first of two events.
    async fn waits_for_the_first(cx: Context<'_, Script>) -> Result<u64, String> {
        order(cx).await?;
        match first_of(cx, (PAID, DECLINED)).await {
            First::A(amount) => {
                ship(cx).await?;
                Ok(amount)
            }
            First::B(reason) => Err(reason),
        }
    }
);

#[test]
fn a_wait_for_the_first_of_two_events_has_the_faults_of_the_one_that_has_a_value() {
    let paid = FailureMatrix::new(Script::new, || WaitsForTheFirst {}).event(PAID, &3);
    let no = "too dear".to_owned();
    let declined = FailureMatrix::new(Script::new, || WaitsForTheFirst {}).event(DECLINED, &no);
    for report in [paid.run(), declined.run()] {
        assert!(report.is_ok(), "{report}");
        let cases = report.names();
        for case in [
            "event paid or declined: arrives before it is waited for",
            "event paid or declined: arrives twice",
            "event paid or declined: another type arrives first",
            "event paid or declined: process ends after the arrival",
        ] {
            assert!(cases.iter().any(|name| name == case), "{case} in {cases:?}");
        }
    }
    let without = FailureMatrix::new(Script::new, || WaitsForTheFirst {}).run();
    let text = without.to_string();
    assert!(
        text.contains("the saga waits for the event `paid` or `declined`"),
        "{text}"
    );
}

saga!(
    /// Orders at each payment, until one is declined.
    async fn orders_until_it_is_declined(cx: Context<'_, Script>) -> Result<u64, String> {
        let mut orders = 0;
        while let First::A(_) = first_of(cx, (PAID, DECLINED)).await {
            order(cx).await?;
            orders += 1;
        }
        Ok(orders)
    }
);

#[test]
fn a_loop_ends_with_the_second_event() {
    let report = FailureMatrix::new(Script::new, || OrdersUntilItIsDeclined {})
        .event(PAID, &3)
        .event(PAID, &4)
        .event(DECLINED, &"too dear".to_owned())
        .invariant("an order for each payment", |script, end| {
            let orders = script.effects().len();
            if end.is_completed() {
                orders >= 2
            } else {
                orders == 0
            }
        })
        .run();
    assert!(report.is_ok(), "{report}");
    let cases = report.names();
    let last = "event paid or declined#2: process ends while it waits";
    assert!(cases.iter().any(|name| name == last), "{cases:?}");
}

#[test]
fn a_loop_that_its_events_never_end_is_told() {
    let matrix = FailureMatrix::new(Script::new, || OrdersUntilItIsDeclined {}).event(PAID, &3);
    let text = matrix.run().to_string();
    assert!(
        text.contains("the saga waits for `paid` more than 200 times"),
        "{text}"
    );
}
