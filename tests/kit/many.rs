//! Sixty-four tests in one process at the same time, each with a coordinator of its own: none disturbs another.

use std::time::Duration;

use saga_runtime::testing::{Script, ScriptedAnswer, TestCoordinator};
use saga_runtime::{Context, Coordinator, saga, sleep, step};
use tokio::time::Instant;

#[step(compensate = cancel)]
async fn order(cx: Context<'_, Script>) -> Result<u64, String> {
    cx.ask("order", cx.idempotency_key(), 17).await
}

async fn cancel(cx: Context<'_, Script>, _: &u64) -> Result<(), String> {
    cx.undo("cancel", cx.idempotency_key(), &cx.action_key())
        .await
}

#[step(retriable)]
async fn remind(cx: Context<'_, Script>) -> Result<(), String> {
    cx.ask("remind", cx.idempotency_key(), ()).await
}

saga!(
    async fn reminder(cx: Context<'_, Script>, pause: Duration) -> Result<u64, String> {
        let order = order(cx).await?;
        sleep(cx, pause).await;
        remind(cx).await?;
        Ok(order)
    }
);

/// A saga is killed in a step, and goes on in the next process.
async fn survives(script: &Script, mut coordinator: TestCoordinator<Script>, pause: Duration) {
    let handle = coordinator.submit("saga", Reminder { pause }).await;
    drop(handle.expect("the journal is this test's own"));
    while script.ledger().is_empty() {
        tokio::task::yield_now().await;
    }
    coordinator.crash().await;
    let killed = Instant::now();
    coordinator.restart().await;
    let handle = coordinator.attach::<Reminder>("saga").await;
    let ended = handle.expect("it is there").wait().await;
    assert_eq!(ended.ok(), Some(17));
    assert!(killed.elapsed() >= pause);
    assert_eq!(script.effects(), ["saga/order/0", "saga/remind/0"]);
    coordinator.shutdown().await;
}

fn script() -> Script {
    let script = Script::new();
    script.next("order", ScriptedAnswer::DoesAndHangs);
    script
}

/// Tests in virtual time.
macro_rules! in_virtual_time {
    ($($test:ident)*) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $test() {
                let script = script();
                let services = script.clone();
                let settings = move || Coordinator::builder(services.clone()).register::<Reminder>();
                let coordinator = TestCoordinator::start(settings).await;
                survives(&script, coordinator, Duration::from_mins(20)).await;
            }
        )*
    };
}

/// Tests on several threads, on a journal in a file.
macro_rules! on_threads {
    ($($test:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let folder = tempfile::tempdir().expect("a folder for temporary files");
                let script = script();
                let services = script.clone();
                let settings = move || Coordinator::builder(services.clone()).register::<Reminder>();
                let file = folder.path().join("journal.db");
                let coordinator = TestCoordinator::start_in_file(file, settings).await;
                survives(&script, coordinator, Duration::from_millis(2)).await;
            }
        )*
    };
}

in_virtual_time! {
    test_00 test_01 test_02 test_03 test_04 test_05 test_06 test_07 test_08 test_09 test_10
    test_11 test_12 test_13 test_14 test_15 test_16 test_17 test_18 test_19 test_20 test_21
    test_22 test_23 test_24 test_25 test_26 test_27 test_28 test_29 test_30 test_31 test_32
    test_33 test_34 test_35 test_36 test_37 test_38 test_39 test_40 test_41 test_42 test_43
    test_44 test_45 test_46 test_47
}

on_threads! {
    file_00 file_01 file_02 file_03 file_04 file_05 file_06 file_07 file_08 file_09 file_10
    file_11 file_12 file_13 file_14 file_15
}
