//! A coordinator of a test is killed and started again, and days pass in a moment.

use std::time::{Duration, SystemTime};

use saga_runtime::coordinator::Builder;
use saga_runtime::journal::{Sqlite, State};
use saga_runtime::testing::{Asked, Script, ScriptedAnswer, TestCoordinator};
use saga_runtime::{Context, Coordinator, EventName, event_within, saga, sleep, step};
use tokio::time::Instant;

const HOUR: Duration = Duration::from_hours(1);
const APPROVED: EventName<bool> = EventName::new("approved");

#[step(compensate = cancel)]
async fn order(cx: Context<'_, Script>) -> Result<u64, String> {
    cx.ask("order", cx.idempotency_key(), 17).await
}

async fn cancel(cx: Context<'_, Script>, _order: &u64) -> Result<(), String> {
    cx.undo("cancel", cx.idempotency_key(), &cx.action_key())
        .await
}

#[step(compensate = (), timeout = "2h")]
async fn read_the_clock(cx: Context<'_, Script>) -> Result<SystemTime, String> {
    Ok(cx.now())
}

#[step(retriable)]
async fn remind(cx: Context<'_, Script>, _order: u64) -> Result<(), String> {
    cx.ask("remind", cx.idempotency_key(), ()).await
}

saga!(
    /// Reminds of an order after three days.
    async fn reminder(cx: Context<'_, Script>) -> Result<u64, String> {
        let order = order(cx).await?;
        sleep(cx, HOUR * 72).await;
        remind(cx, order).await?;
        Ok(order)
    }
);

saga!(
    /// Waits a day for an approval.
    async fn approval(cx: Context<'_, Script>) -> Result<bool, String> {
        order(cx).await?;
        match event_within(cx, APPROVED, HOUR * 24).await {
            Some(approved) => Ok(approved),
            None => Err("not approved in time".to_owned()),
        }
    }
);

saga!(
    /// Takes the time on both sides of a night.
    async fn night(cx: Context<'_, Script>) -> Result<[SystemTime; 3], String> {
        let evening = cx.now();
        sleep(cx, HOUR * 8).await;
        let morning = read_the_clock(cx).await?;
        Ok([evening, morning, cx.now()])
    }
);

saga!(
    /// Has one day for what takes two.
    #[saga(deadline = "24h")]
    async fn late(cx: Context<'_, Script>) -> Result<(), String> {
        order(cx).await?;
        sleep(cx, HOUR * 48).await;
        Ok(())
    }
);

/// A coordinator of all of these sagas.
fn settings(script: &Script) -> impl Fn() -> Builder<Script> + use<> {
    let script = script.clone();
    move || {
        Coordinator::builder(script.clone())
            .register::<Reminder>()
            .register::<Approval>()
            .register::<Night>()
            .register::<Late>()
    }
}

#[tokio::test(start_paused = true)]
async fn three_days_of_a_durable_sleep_pass_in_a_moment() {
    let script = Script::new();
    let coordinator = TestCoordinator::start(settings(&script)).await;
    let (begun, really) = (Instant::now(), std::time::Instant::now());
    let order = coordinator.execute("saga", Reminder {}).await;
    assert_eq!(order.ok(), Some(17));
    assert!(begun.elapsed() >= HOUR * 72);
    assert!(begun.elapsed() < HOUR * 73, "{:?}", begun.elapsed());
    assert!(really.elapsed() < HOUR);
}

#[tokio::test(start_paused = true)]
async fn a_sleep_goes_on_through_a_crash() {
    let script = Script::new();
    let mut coordinator = TestCoordinator::start(settings(&script)).await;
    let begun = Instant::now();
    let _ = coordinator.submit("saga", Reminder {}).await;
    tokio::time::sleep(HOUR * 70).await;
    coordinator.crash().await;
    assert!(coordinator.execute("other", Reminder {}).await.is_err());
    tokio::time::sleep(HOUR).await;
    coordinator.restart().await;
    let handle = coordinator.attach::<Reminder>("saga").await;
    assert_eq!(handle.expect("it is there").wait().await.ok(), Some(17));
    assert!(begun.elapsed() < HOUR * 73, "{:?}", begun.elapsed());
    assert_eq!(script.effects().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_an_event_a_deadline_and_backoffs_pass_in_a_moment() {
    let script = Script::new();
    let coordinator = TestCoordinator::start(settings(&script)).await;
    let ended = coordinator.execute("late", Approval {}).await;
    let error = ended.expect_err("no event was sent");
    assert!(
        error.to_string().contains("not approved in time"),
        "{error}"
    );
    let begun = Instant::now();
    let ended = coordinator.execute("deadline", Late {}).await;
    assert!(ended.is_err());
    assert!(begun.elapsed() < HOUR * 25, "{:?}", begun.elapsed());
    for _ in 0..20 {
        script.next("cancel", ScriptedAnswer::Refuses);
    }
    let ended = coordinator.execute("later", Approval {}).await;
    assert!(ended.is_err());
    let state = coordinator.status("later").await.expect("it is in memory");
    assert_eq!(state, Some(State::Compensated));
    assert_eq!(script.effects(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_body_and_its_steps_see_the_same_clock() {
    let coordinator = TestCoordinator::start(settings(&Script::new())).await;
    let times = coordinator.execute("saga", Night {}).await;
    let [evening, morning, after] = times.expect("nothing fails");
    let night = morning.duration_since(evening).expect("time goes forward");
    assert!(night >= HOUR * 8 && night < HOUR * 9, "{night:?}");
    // The body's time is recorded in whole microseconds.
    let after = after + Duration::from_millis(1);
    assert!(after.duration_since(morning).expect("time goes forward") < HOUR);
}

#[tokio::test(start_paused = true)]
async fn a_crash_ends_a_step_where_it_is() {
    let script = Script::new();
    script.next("order", ScriptedAnswer::DoesAndHangs);
    let mut coordinator = TestCoordinator::start(settings(&script)).await;
    let handle = coordinator
        .submit("saga", Reminder {})
        .await
        .expect("it is new");
    while script.ledger().is_empty() {
        tokio::task::yield_now().await;
    }
    coordinator.crash().await;
    let ended = handle.wait().await.expect_err("its process is dead");
    assert!(ended.to_string().contains("saga"), "{ended}");
    coordinator.restart().await;
    let handle = coordinator.attach::<Reminder>("saga").await;
    assert_eq!(handle.expect("it is there").wait().await.ok(), Some(17));
    let key = "saga/order/0".to_owned();
    let ledger = script.ledger();
    let expected = [Asked::DoneAndHung(key.clone()), Asked::Repeated(key)];
    assert_eq!(ledger[..2], expected, "{ledger:?}");
}

#[tokio::test(start_paused = true)]
async fn a_restart_does_not_wait_for_the_lease_of_the_killed_process() {
    let script = Script::new();
    script.next("order", ScriptedAnswer::DoesAndHangs);
    let mut coordinator = TestCoordinator::start(settings(&script)).await;
    let handle = coordinator.submit("saga", Approval {}).await;
    drop(handle.expect("it is new"));
    while script.ledger().is_empty() {
        tokio::task::yield_now().await;
    }
    coordinator.crash().await;
    let killed = Instant::now();
    coordinator.restart().await;
    while script.ledger().len() < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let waited = killed.elapsed();
    assert!(waited < Duration::from_secs(1), "{waited:?}");
}

#[tokio::test]
async fn a_file_is_free_after_a_crash() {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let path = folder.path().join("journal.db");
    let script = Script::new();
    script.next("order", ScriptedAnswer::Hangs);
    let mut coordinator = TestCoordinator::start_in_file(&path, settings(&script)).await;
    let _ = coordinator.submit("saga", Approval {}).await;
    while script.ledger().is_empty() {
        tokio::task::yield_now().await;
    }
    coordinator.crash().await;
    let opened = Sqlite::open(&path).await.expect("no process has it open");
    drop(opened);
    coordinator.restart().await;
    let handle = coordinator.attach::<Approval>("saga").await;
    let handle = handle.expect("it is there");
    while coordinator.send("saga", APPROVED, &true).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(handle.wait().await.ok(), Some(true));
}

#[tokio::test(start_paused = true)]
async fn a_participant_follows_its_script() {
    let script = Script::new();
    for reply in [
        ScriptedAnswer::Refuses,
        ScriptedAnswer::Hangs,
        ScriptedAnswer::DoesAndHangs,
        ScriptedAnswer::Does,
    ] {
        script.next("remind", reply);
    }
    let coordinator = TestCoordinator::start(settings(&script)).await;
    assert_eq!(
        coordinator.execute("saga", Reminder {}).await.ok(),
        Some(17)
    );
    let ledger: Vec<_> = script.ledger().iter().map(ToString::to_string).collect();
    let expected = [
        "saga/order/0: done",
        "saga/remind/0: refused",
        "saga/remind/0: no answer",
        "saga/remind/0: done, and no answer",
        "saga/remind/0: repeated",
    ];
    assert_eq!(ledger, expected);
}
