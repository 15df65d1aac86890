//! Waits for a time, short and long, with and without a task.

use std::time::Duration;

use saga_runtime::coordinator::ExecuteError;
use saga_runtime::journal::{Memory, State};
use saga_runtime::{Cause, Context, Coordinator, Events, InProcess, event_within, saga, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    APPROVED, Asking, AskingForAWhile, CONFIRMED, Napping, builder, by, rests, started, waits,
};
use crate::shop::{Refused, Shop, id, inspected, order};

#[tokio::test]
async fn a_short_sleep_is_slept_by_the_task() {
    let shop = Shop::default();
    let coordinator = builder(&shop)
        .patience(Duration::from_mins(1))
        .journal(Memory::new())
        .start()
        .await
        .expect("the journal works");
    let napped = coordinator.execute("a", Napping { millis: 5 }).await;
    napped.expect("nothing fails");
    assert_eq!(
        waits(&coordinator, "a").await,
        ["sleep begun", "sleep over"]
    );
    assert_eq!(inspected(&coordinator, "a").await.record.epoch, 1);
}

#[tokio::test]
async fn a_wait_with_a_limit_ends_with_whichever_comes_first() {
    let shop = Shop::default();
    let coordinator = started(&shop, Memory::new()).await;
    let over = coordinator
        .execute("a", AskingForAWhile { millis: 50 })
        .await;
    assert_eq!(over.expect("nothing fails"), None);
    let handle = coordinator
        .submit("b", AskingForAWhile { millis: 3_600_000 })
        .await;
    let handle = handle.expect("it is new");
    rests(&coordinator, "b").await;
    let sent = coordinator.send(&id("b"), CONFIRMED, &7).await;
    sent.expect("it waits for that");
    assert_eq!(handle.wait().await.expect("nothing fails"), Some(7));
}

#[tokio::test(start_paused = true)]
async fn in_process_the_future_waits() {
    let shop = Shop::default();
    let events = Events::new();
    let asking = InProcess::new(&shop)
        .receives(events.clone())
        .execute(Asking {});
    let sending = async {
        shop.is_asked("order").await;
        events.send(APPROVED, &by("Ann")).expect("it is JSON");
    };
    let (asked, ()) = tokio::join!(asking, sending);
    assert_eq!(asked.expect("nothing fails"), "Ann");
    let before = tokio::time::Instant::now();
    let napped = Napping { millis: 5_000 }.execute(&shop).await;
    napped.expect("nothing fails");
    assert_eq!(before.elapsed(), Duration::from_secs(5));
    let over = AskingForAWhile { millis: 70 }.execute(&shop).await;
    assert_eq!(over.expect("nothing fails"), None);
}

#[tokio::test]
async fn thousands_sleep_without_a_task() {
    const SAGAS: usize = 2_000;
    let shop = Shop::default();
    let coordinator = started(&shop, Memory::new()).await;
    for number in 0..SAGAS {
        let millis = 3_600_000;
        let submitted = coordinator.submit(format!("nap-{number}"), Napping { millis });
        drop(submitted.await.expect("it is new"));
    }
    for number in 0..SAGAS {
        rests_quietly(&coordinator, &format!("nap-{number}")).await;
    }
    assert!(format!("{coordinator:?}").contains("running: 0"));
    // The coordinator has some of its own.
    let tasks = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    assert!(tasks < 10, "{tasks}");
}

async fn rests_quietly(coordinator: &Coordinator<Shop>, saga: &str) {
    while inspected(coordinator, saga).await.record.state != State::Waiting {
        tokio::task::yield_now().await;
    }
}

saga!(
    #[derive(Clone)]
    async fn napping_for_ever(cx: Context<'_, Shop>, patient: bool) -> Result<(), Refused> {
        order(cx).await?;
        if patient {
            sleep(cx, Duration::MAX).await;
        } else {
            event_within(cx, CONFIRMED, Duration::MAX).await;
        }
        Ok(())
    }
);

#[tokio::test]
async fn a_wait_may_be_longer_than_any_clock_runs() {
    for patience in [Duration::ZERO, Duration::MAX] {
        for patient in [false, true] {
            let shop = Shop::default();
            let coordinator = builder(&shop)
                .patience(patience)
                .lease(Duration::MAX)
                .attempt_timeout(Duration::MAX)
                .register::<NappingForEver>()
                .journal(Memory::new())
                .start()
                .await
                .expect("the journal works");
            let submitted = coordinator.submit("a", NappingForEver { patient }).await;
            let handle = submitted.expect("it is new");
            let waits = async {
                while !waits(&coordinator, "a")
                    .await
                    .iter()
                    .any(|one| one.ends_with("begun"))
                {
                    tokio::task::yield_now().await;
                }
            };
            waits.await;
            let cancelled = handle.cancel("too long").await;
            cancelled.expect("it waits");
            match handle.wait().await {
                Err(ExecuteError::Failed(error)) => assert!(error.is_compensated(), "{error}"),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_in_process_may_be_longer_than_any_clock_runs() {
    for patient in [false, true] {
        let shop = Shop::default();
        let cancellation = CancellationToken::new();
        let napping = InProcess::new(&shop).cancelled_by(cancellation.clone());
        let cancelling = async {
            tokio::time::sleep(Duration::from_hours(24 * 365)).await;
            cancellation.cancel();
        };
        let (napped, ()) = tokio::join!(napping.execute(NappingForEver { patient }), cancelling);
        let error = napped.expect_err("it is cancelled");
        assert!(matches!(error.cause(), Cause::Cancelled), "{error}");
    }
}
