//! Sagas that sleep or wait for an event: they survive restarts, cost no task meanwhile, and can be cancelled at any time.

use std::sync::Arc;
use std::time::Duration;

use saga_runtime::coordinator::{Builder, ExecuteError, OperatorError};
use saga_runtime::journal::{Event, Journal, Memory, Sqlite, State};
use saga_runtime::{
    Cause, Context, Coordinator, EventName, Events, InProcess, event, event_within, saga, sleep,
};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::shop::{Answer, Refused, Shop, becomes, charge, id, inspected, order, thank};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Approval {
    by: String,
}

const APPROVED: EventName<Approval> = EventName::new("approved");
const CONFIRMED: EventName<u32> = EventName::new("confirmed");

fn by(name: &str) -> Approval {
    Approval {
        by: name.to_owned(),
    }
}

saga!(
    #[derive(Clone)]
    async fn asking(cx: Context<'_, Shop>) -> Result<String, Refused> {
        order(cx).await?;
        let approval = event(cx, APPROVED).await;
        charge(cx).await?;
        Ok(approval.by)
    }
);

saga!(
    #[derive(Clone)]
    async fn napping(cx: Context<'_, Shop>, millis: u64) -> Result<(), Refused> {
        order(cx).await?;
        sleep(cx, Duration::from_millis(millis)).await;
        charge(cx).await?;
        Ok(())
    }
);

saga!(
    #[derive(Clone)]
    async fn asking_for_a_while(
        cx: Context<'_, Shop>,
        millis: u64,
    ) -> Result<Option<u32>, Refused> {
        order(cx).await?;
        Ok(event_within(cx, CONFIRMED, Duration::from_millis(millis)).await)
    }
);

saga!(
    #[derive(Clone)]
    async fn asking_twice(cx: Context<'_, Shop>) -> Result<(u32, u32), Refused> {
        let first = event(cx, CONFIRMED).await;
        order(cx).await?;
        let second = event(cx, CONFIRMED).await;
        Ok((first, second))
    }
);

saga!(
    #[saga(compensatable)]
    async fn asking_inside(cx: Context<'_, Shop>) -> Result<u32, Refused> {
        charge(cx).await?;
        Ok(event(cx, CONFIRMED).await)
    }
);

saga!(
    /// Waits for two things at the same time, and after that for a third one, when nothing can be undone any more.
    #[derive(Clone)]
    async fn asking_at_the_same_time(cx: Context<'_, Shop>) -> Result<u32, Refused> {
        let (one, other) = try_join!(asking_inside(cx), asking_inside(cx))?;
        thank(cx).await?;
        Ok(one + other + event(cx, CONFIRMED).await)
    }
);

saga!(
    #[derive(Clone)]
    #[saga(deadline = "200ms")]
    async fn asking_too_long(cx: Context<'_, Shop>) -> Result<u32, Refused> {
        order(cx).await?;
        Ok(event(cx, CONFIRMED).await)
    }
);

/// Whatever waits is let go of.
fn builder(shop: &Shop) -> Builder<Shop> {
    Coordinator::builder(shop.clone())
        .patience(Duration::ZERO)
        .register::<Asking>()
        .register::<Napping>()
        .register::<AskingForAWhile>()
        .register::<AskingTwice>()
        .register::<AskingAtTheSameTime>()
        .register::<AskingTooLong>()
}

async fn started(shop: &Shop, journal: impl Journal) -> Coordinator<Shop> {
    let started = builder(shop).journal(journal).start().await;
    started.expect("the journal works")
}

/// The events of a saga that are about waiting.
async fn waits(coordinator: &Coordinator<Shop>, saga: &str) -> Vec<String> {
    let entries = inspected(coordinator, saga).await.entries;
    let waits = entries.iter().filter_map(|entry| match &entry.event {
        Event::Waiting { step, .. } => Some(format!("{step} begun")),
        Event::Received { name, .. } => Some(format!("received {name}")),
        Event::WaitOver { step, received } => Some(match received {
            Some(number) => format!("{step}: event {number}"),
            None => format!("{step} over"),
        }),
        _ => None,
    });
    waits.collect()
}

/// Waits until a saga is let go of because it waits, and nothing else runs.
async fn rests(coordinator: &Coordinator<Shop>, saga: &str) {
    let resting = async {
        loop {
            let last = inspected(coordinator, saga).await;
            let is_waiting = last.record.state == State::Waiting;
            let last = last.entries.last().map(|entry| entry.event.clone());
            let nothing_runs = format!("{coordinator:?}").contains("running: 0");
            if nothing_runs && is_waiting && matches!(last, Some(Event::Waiting { .. })) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let rested = tokio::time::timeout(Duration::from_mins(1), resting).await;
    assert!(rested.is_ok(), "{}", inspected(coordinator, saga).await);
}

#[tokio::test]
async fn an_event_that_comes_while_the_saga_waits_ends_the_wait() {
    let shop = Shop::default();
    let coordinator = started(&shop, Memory::new()).await;
    let handle = coordinator.submit("a", Asking {}).await.expect("it is new");
    rests(&coordinator, "a").await;
    assert_eq!(shop.asked(), ["order"]);
    let sent = coordinator.send(&id("a"), APPROVED, &by("Ann")).await;
    sent.expect("it waits for that");
    assert_eq!(handle.wait().await.expect("nothing fails"), "Ann");
    assert_eq!(shop.asked(), ["order", "charge"], "nothing is asked twice");
    assert_eq!(
        waits(&coordinator, "a").await,
        [
            "event:approved begun",
            "received approved",
            "event:approved: event 0"
        ]
    );
}

#[tokio::test]
async fn an_event_that_comes_before_the_wait_is_kept() {
    let until = std::sync::Arc::new(tokio::sync::Notify::new());
    let waiting = crate::shop::Answer::Waits(until.clone());
    let shop = Shop::default().answers("order", [waiting]);
    let coordinator = started(&shop, Memory::new()).await;
    let handle = coordinator.submit("a", Asking {}).await.expect("it is new");
    shop.is_asked("order").await;
    let sent = coordinator.send(&id("a"), APPROVED, &by("Ann")).await;
    sent.expect("it is there");
    until.notify_one();
    assert_eq!(handle.wait().await.expect("nothing fails"), "Ann");
    assert_eq!(
        waits(&coordinator, "a").await,
        ["received approved", "event:approved: event 0"],
        "it has not waited"
    );
}

#[tokio::test]
async fn a_restart_loses_neither_the_wait_nor_the_event() {
    let folder = TempDir::new().expect("a folder for the test");
    let file = folder.path().join("sagas.db");
    let shop = Shop::default();
    {
        let journal = Sqlite::open(&file).await.expect("it is new");
        let coordinator = started(&shop, journal).await;
        let _ = coordinator.submit("a", Asking {}).await.expect("it is new");
        let _ = coordinator.submit("b", Asking {}).await.expect("it is new");
        rests(&coordinator, "a").await;
        rests(&coordinator, "b").await;
        coordinator.shutdown().await;
    }
    let journal = Sqlite::open(&file).await.expect("nobody uses it");
    let coordinator = started(&shop, journal).await;
    for (saga, name) in [("a", "Ann"), ("b", "Bob")] {
        let sent = coordinator.send(&id(saga), APPROVED, &by(name)).await;
        sent.expect("it waits for that");
        let handle = coordinator.attach::<Asking>(&id(saga)).await;
        let approved = handle.expect("it is there").wait().await;
        assert_eq!(approved.expect("nothing fails"), name);
    }
    assert_eq!(shop.asked().iter().filter(|one| *one == "order").count(), 2);
}

#[tokio::test]
async fn a_restart_does_not_begin_a_sleep_anew() {
    let shop = Shop::default();
    let journal = Memory::new();
    let first = started(&shop, journal.clone()).await;
    let _ = first
        .submit("a", Napping { millis: 300 })
        .await
        .expect("it is new");
    rests(&first, "a").await;
    let until = |coordinator: Coordinator<Shop>| async move {
        let entries = inspected(&coordinator, "a").await.entries;
        entries.iter().find_map(|entry| match entry.event {
            Event::Waiting { until, .. } => until,
            _ => None,
        })
    };
    let before = until(first.clone()).await.expect("it sleeps");
    first.shutdown().await;
    let second = started(&shop, journal).await;
    becomes(&second, "a", State::Completed).await;
    assert_eq!(until(second.clone()).await, Some(before));
    assert_eq!(waits(&second, "a").await, ["sleep begun", "sleep over"]);
    let done = inspected(&second, "a").await;
    let ended = done.entries.last().expect("it has ended").at;
    assert!(ended >= before, "it has slept as long as it should");
    assert_eq!(shop.asked(), ["order", "charge"]);
}

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

#[tokio::test]
async fn each_event_ends_one_wait_the_oldest_first() {
    let shop = Shop::default();
    let coordinator = started(&shop, Memory::new()).await;
    let handle = coordinator
        .submit("a", AskingTwice {})
        .await
        .expect("it is new");
    rests(&coordinator, "a").await;
    for number in [1, 2, 3] {
        let sent = coordinator.send(&id("a"), CONFIRMED, &number).await;
        match sent {
            Ok(()) => {}
            Err(OperatorError::Final(State::Completed)) if number == 3 => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(handle.wait().await.expect("nothing fails"), (1, 2));
}

#[tokio::test]
async fn an_inspection_says_what_a_saga_waits_for() {
    let shop = Shop::default();
    let coordinator = started(&shop, Memory::new()).await;
    let handle = coordinator
        .submit("a", AskingTwice {})
        .await
        .expect("it is new");
    for number in [1, 2] {
        rests(&coordinator, "a").await;
        let waiting = inspected(&coordinator, "a").await;
        let waits: Vec<_> = waiting.waits.iter().map(|one| one.call.event()).collect();
        assert_eq!(waits, [Some("confirmed")]);
        assert!(waiting.awaits(CONFIRMED) && !waiting.awaits(APPROVED));
        assert!(
            waiting
                .to_string()
                .contains("\n  waits for event:confirmed"),
            "{waiting}"
        );
        let sent = coordinator.send(&id("a"), CONFIRMED, &number).await;
        sent.expect("it waits for that");
        // It may not have gone on yet; but what it has waited for is there.
        let sent = inspected(&coordinator, "a").await;
        let went_on = sent.waits.is_empty() || sent.entries.len() > waiting.entries.len() + 1;
        assert!(went_on, "{sent}");
    }
    handle.wait().await.expect("nothing fails");
    assert_eq!(inspected(&coordinator, "a").await.waits, []);

    let millis = 3_600_000;
    let asking = coordinator.submit("b", AskingForAWhile { millis }).await;
    rests(&coordinator, "b").await;
    let waiting = inspected(&coordinator, "b").await;
    let until = waiting.waits[0].until.expect("there is a limit");
    let limit = until.duration_since(waiting.record.started_at);
    assert!(limit.expect("it is later") >= Duration::from_millis(millis));
    let cancelled = coordinator.cancel(&id("b"), "nobody wants it").await;
    cancelled.expect("it can be undone");
    let ended = asking.expect("it is new").wait().await;
    ended.expect_err("it is cancelled");
    assert_eq!(inspected(&coordinator, "b").await.waits, []);
}

#[tokio::test]
async fn members_of_a_group_wait_at_the_same_time() {
    let shop = Shop::default();
    let journal = Memory::new();
    let coordinator = started(&shop, journal.clone()).await;
    let handle = coordinator.submit("a", AskingAtTheSameTime {}).await;
    drop(handle.expect("it is new"));
    while waits(&coordinator, "a").await.len() < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let sent = coordinator.send(&id("a"), CONFIRMED, &30).await;
    sent.expect("both wait for that");
    // One has got it, and the other goes on waiting in the next process.
    while waits(&coordinator, "a").await.len() < 4 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    coordinator.shutdown().await;
    let coordinator = started(&shop, journal).await;
    let handle = coordinator.attach::<AskingAtTheSameTime>(&id("a")).await;
    for number in [4, 1] {
        let sent = coordinator.send(&id("a"), CONFIRMED, &number).await;
        sent.expect("it waits for that");
    }
    let ended = handle.expect("it is there").wait().await;
    assert_eq!(ended.expect("nothing fails"), 35);
    assert_eq!(shop.asked(), ["charge", "charge", "thank"]);
}

#[tokio::test]
async fn a_saga_that_waits_is_compensated_at_once_when_it_is_cancelled() {
    let shop = Shop::default();
    let coordinator = started(&shop, Memory::new()).await;
    let handle = coordinator.submit("a", Asking {}).await.expect("it is new");
    rests(&coordinator, "a").await;
    let cancelled = coordinator.cancel(&id("a"), "nobody wants it").await;
    cancelled.expect("it can be undone");
    match handle.wait().await {
        Err(ExecuteError::Failed(error)) => {
            assert_eq!(*error.cause(), Cause::Cancelled);
            assert!(error.is_compensated(), "{error}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(shop.asked(), ["order", "cancel"]);
}

#[tokio::test]
async fn a_deadline_wakes_a_saga_that_waits() {
    let shop = Shop::default();
    let coordinator = started(&shop, Memory::new()).await;
    match coordinator.execute("a", AskingTooLong {}).await {
        Err(ExecuteError::Failed(error)) => assert_eq!(*error.cause(), Cause::DeadlineExceeded),
        other => panic!("{other:?}"),
    }
    assert_eq!(shop.asked(), ["order", "cancel"]);
}

#[tokio::test]
async fn nothing_is_sent_to_a_saga_that_is_not_there_or_has_ended() {
    let shop = Shop::default();
    let coordinator = started(&shop, Memory::new()).await;
    let sent = coordinator.send(&id("a"), CONFIRMED, &1).await;
    assert!(matches!(sent, Err(OperatorError::Unknown)), "{sent:?}");
    let ended = coordinator
        .execute("b", AskingForAWhile { millis: 1 })
        .await;
    assert_eq!(ended.expect("nothing fails"), None);
    let sent = coordinator.send(&id("b"), CONFIRMED, &1).await;
    let completed = matches!(sent, Err(OperatorError::Final(State::Completed)));
    assert!(completed, "{sent:?}");
}

#[tokio::test]
async fn what_can_not_be_read_fails_the_saga() {
    const OTHER: EventName<String> = EventName::new("confirmed");
    let shop = Shop::default();
    let coordinator = started(&shop, Memory::new()).await;
    let handle = coordinator
        .submit("a", AskingForAWhile { millis: 3_600_000 })
        .await;
    rests(&coordinator, "a").await;
    let sent = coordinator.send(&id("a"), OTHER, &"seven".to_owned()).await;
    sent.expect("the name is right");
    match handle.expect("it is new").wait().await {
        Err(ExecuteError::Failed(error)) => {
            let cause = error.cause().to_string();
            assert!(
                cause.contains("what came with event `confirmed`"),
                "{cause}"
            );
            assert!(error.is_compensated());
        }
        other => panic!("{other:?}"),
    }
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
    // Those of the coordinator itself.
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

#[tokio::test(start_paused = true)]
async fn a_saga_that_another_worker_has_cancelled_does_not_begin_to_wait() {
    let until = Arc::new(Notify::new());
    let shop = Shop::default().answers("order", [Answer::Waits(Arc::clone(&until))]);
    let journal = Memory::new();
    let first = started(&shop, journal.clone()).await;
    drop(first.submit("a", Asking {}).await.expect("it is new"));
    shop.is_asked("order").await;
    // The one who runs it hears of that when it renews its lease: long after `order` is answered.
    let second = started(&shop, journal).await;
    let cancelled = second.cancel(&id("a"), "changed my mind").await;
    cancelled.expect("it is not past a pivot");
    until.notify_one();
    becomes(&first, "a", State::Compensated).await;
    assert_eq!(shop.asked(), ["order", "cancel"]);
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
            let cancelled = handle.cancel("nobody lives so long").await;
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
