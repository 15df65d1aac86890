//! An operator decides about a step that is attempted again, before the saga is stuck.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use saga_runtime::coordinator::{Coordinator, Effect, OperatorError};
use saga_runtime::journal::{Filter, Memory, State};
use saga_runtime::meta::RetryPolicy;
use saga_runtime::{Context, saga, step};
use tokio::sync::Notify;

/// Fails what a test names, and counts the requests.
#[derive(Clone, Default)]
struct Desk {
    fails: Arc<Mutex<BTreeSet<&'static str>>>,
    asked: Arc<Mutex<BTreeMap<&'static str, u32>>>,
    /// Lets `block` end.
    until: Arc<Notify>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics under the lock")
}

impl Desk {
    fn failing(what: &[&'static str]) -> Self {
        let desk = Self::default();
        locked(&desk.fails).extend(what);
        desk
    }

    fn asked(&self, what: &'static str) -> u32 {
        locked(&self.asked).get(what).copied().unwrap_or_default()
    }

    fn ask(&self, what: &'static str) -> Result<u64, String> {
        *locked(&self.asked).entry(what).or_default() += 1;
        if locked(&self.fails).contains(what) {
            return Err(format!("{what} is down"));
        }
        Ok(1)
    }
}

#[step(compensate = cancel, retry(attempts = 9, backoff = "1h..1h", when = |_| true),
       compensation(retry(attempts = 9, backoff = "1h..1h")))]
async fn book(cx: Context<'_, Desk>) -> Result<u64, String> {
    cx.ask("book")
}

async fn cancel(cx: Context<'_, Desk>, booked: &u64) -> Result<(), String> {
    cx.ask(if *booked == 1 {
        "cancel"
    } else {
        "cancel by hand"
    })
    .map(drop)
}

/// It panics, so that it is in doubt, and is asked again by the policy of the coordinator.
#[step(compensate = cancel)]
async fn guess(cx: Context<'_, Desk>) -> Result<u64, String> {
    match cx.ask("guess") {
        Ok(guessed) => Ok(guessed),
        Err(error) => std::panic::resume_unwind(Box::new(error)),
    }
}

#[step(compensate = ())]
async fn check(cx: Context<'_, Desk>) -> Result<u64, String> {
    cx.ask("check")
}

#[step(pivot, retry(attempts = 9, backoff = "1h..1h", when = |_| true))]
async fn pay(cx: Context<'_, Desk>) -> Result<u64, String> {
    cx.ask("pay")
}

#[step(retriable, retry(backoff = "1h..1h"))]
async fn tell(cx: Context<'_, Desk>) -> Result<u64, String> {
    cx.ask("tell")
}

saga!(
    async fn trip(cx: Context<'_, Desk>) -> Result<(u64, u64, u64), String> {
        let booked = book(cx).await?;
        check(cx).await?;
        let paid = pay(cx).await?;
        let told = tell(cx).await?;
        Ok((booked, paid, told))
    }
);

saga!(
    async fn gamble(cx: Context<'_, Desk>) -> Result<u64, String> {
        let booked = book(cx).await?;
        let guessed = guess(cx).await?;
        Ok(booked + guessed)
    }
);

#[step(compensate = ())]
async fn block(cx: Context<'_, Desk>) -> Result<u64, String> {
    cx.ask("block")?;
    cx.until.notified().await;
    Ok(1)
}

saga!(
    async fn occupy(cx: Context<'_, Desk>) -> Result<u64, String> {
        block(cx).await
    }
);

/// Suspends what waits at once, or keeps it in memory.
const PATIENCES: [Duration; 2] = [Duration::ZERO, Duration::from_hours(2)];

async fn started(desk: &Desk, journal: Memory, patience: Duration) -> Coordinator<Desk> {
    let builder = Coordinator::builder(desk.clone()).journal(journal);
    let hour = Duration::from_hours(1);
    let builder = builder.patience(patience).in_flight(1);
    let builder = builder.compensation_retry(RetryPolicy::FOR_A_DAY.backoff(hour, hour));
    let builder = builder.register::<Trip>().register::<Gamble>();
    let started = builder.register::<Occupy>().start().await;
    started.expect("the journal works")
}

/// Waits until `what` was asked for and, without patience, until the saga is suspended.
async fn is_retried(
    coordinator: &Coordinator<Desk>,
    desk: &Desk,
    what: &'static str,
    patience: Duration,
) {
    while desk.asked(what) == 0 {
        tokio::task::yield_now().await;
    }
    let filter = Filter::default().failing().state(State::Waiting);
    while patience.is_zero() {
        let page = coordinator.list(&filter).await;
        if !page.expect("the journal works").sagas.is_empty() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_step_that_is_attempted_again_is_completed_by_hand() {
    for patience in PATIENCES {
        for (step, ends) in [("book", (7, 1, 1)), ("pay", (1, 7, 1)), ("tell", (1, 1, 7))] {
            let desk = Desk::failing(&[step]);
            let coordinator = started(&desk, Memory::new(), patience).await;
            let handle = coordinator.submit("a", Trip {}).await.expect("it is new");
            is_retried(&coordinator, &desk, step, patience).await;
            let unreadable = coordinator.complete_step("a", step, &"seven", "it was done");
            match unreadable.await {
                Err(OperatorError::Unreadable { .. }) => {}
                other => panic!("{step}: {other:?}"),
            }
            let completed = coordinator.complete_step("a", step, &7, "it was done");
            assert_eq!(completed.await.expect(step), Effect::Done);
            assert_eq!(handle.wait().await.expect(step), ends);
            assert_eq!(desk.asked(step), 1, "{step}: it is not asked again");
            assert_eq!(desk.asked("cancel"), 0);
        }
    }
}

#[tokio::test]
async fn a_step_in_doubt_that_is_asked_again_is_decided_by_hand() {
    for patience in PATIENCES {
        for command in ["complete", "resolve", "skip"] {
            let desk = Desk::failing(&["guess"]);
            let coordinator = started(&desk, Memory::new(), patience).await;
            let handle = coordinator.submit("a", Gamble {}).await.expect("it is new");
            is_retried(&coordinator, &desk, "guess", patience).await;
            let decided = match command {
                "complete" => coordinator.complete_step("a", "guess", &7, "it was").await,
                "resolve" => {
                    coordinator
                        .resolve_compensation("a", "guess", "it was not")
                        .await
                }
                _ => {
                    coordinator
                        .skip_compensation("a", "guess", "never mind")
                        .await
                }
            };
            assert_eq!(decided.expect(command), Effect::Done);
            handle.wait().await.expect_err("it has failed");
            let inspected = coordinator.inspect("a").await.expect("the journal works");
            let inspected = inspected.expect("it is there");
            assert_eq!(inspected.record.state, State::Compensated, "{inspected}");
            assert_eq!(desk.asked("cancel"), 1, "the booking");
            let by_hand = u32::from(command == "complete");
            assert_eq!(
                desk.asked("cancel by hand"),
                by_hand,
                "{command}: {inspected}"
            );
            assert_eq!(inspected.skipped.len(), usize::from(command == "skip"));
        }
    }
}

#[tokio::test]
async fn a_compensation_that_is_attempted_again_is_resolved_or_skipped_by_hand() {
    for patience in PATIENCES {
        for is_skipped in [false, true] {
            let desk = Desk::failing(&["check", "cancel"]);
            let coordinator = started(&desk, Memory::new(), patience).await;
            let handle = coordinator.submit("a", Trip {}).await.expect("it is new");
            is_retried(&coordinator, &desk, "cancel", patience).await;
            match coordinator
                .complete_step("a", "book", &7, "it was done")
                .await
            {
                Err(OperatorError::NotStuck(_)) => {}
                other => panic!("it goes back: {other:?}"),
            }
            let decided = if is_skipped {
                coordinator
                    .skip_compensation("a", "book", "never mind")
                    .await
            } else {
                coordinator
                    .resolve_compensation("a", "book", "by phone")
                    .await
            };
            assert_eq!(decided.expect("it is attempted again"), Effect::Done);
            handle.wait().await.expect_err("it has failed");
            let inspected = coordinator.inspect("a").await.expect("the journal works");
            let inspected = inspected.expect("it is there");
            assert_eq!(inspected.record.state, State::Compensated, "{inspected}");
            assert_eq!(desk.asked("cancel"), 1, "{inspected}");
            assert_eq!(inspected.skipped.len(), usize::from(is_skipped));
        }
    }
}

#[tokio::test]
async fn an_output_given_by_hand_is_corrected_while_nothing_has_followed() {
    for has_restarted in [false, true] {
        let desk = Desk::failing(&["pay"]);
        let journal = Memory::new();
        let mut coordinator = started(&desk, journal.clone(), Duration::ZERO).await;
        drop(coordinator.submit("a", Trip {}).await.expect("it is new"));
        is_retried(&coordinator, &desk, "pay", Duration::ZERO).await;
        // Another saga takes the only slot, so that nothing follows.
        drop(coordinator.submit("b", Occupy {}).await.expect("it is new"));
        while desk.asked("block") == 0 {
            tokio::task::yield_now().await;
        }
        for output in [7, 8] {
            let completed = coordinator.complete_step("a", "pay", &output, "it was done");
            assert_eq!(completed.await.expect("nothing has followed"), Effect::Done);
        }
        desk.until.notify_one();
        if has_restarted {
            coordinator.shutdown().await;
            coordinator = started(&desk, journal, Duration::ZERO).await;
        }
        let handle = coordinator.attach::<Trip>("a").await.expect("it is there");
        assert_eq!(handle.wait().await.expect("nothing fails"), (1, 8, 1));
        let late = coordinator.complete_step("a", "pay", &9, "it was done");
        match late.await {
            Err(OperatorError::Final(State::Completed)) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_step_that_is_not_attempted_again_is_not_decided() {
    let desk = Desk::failing(&["tell"]);
    let coordinator = started(&desk, Memory::new(), Duration::ZERO).await;
    let handle = coordinator.submit("a", Trip {}).await.expect("it is new");
    is_retried(&coordinator, &desk, "tell", Duration::ZERO).await;
    for step in ["book", "pay", "tell#1", "unknown"] {
        for answer in [
            coordinator.complete_step("a", step, &7, "why not").await,
            coordinator.resolve_compensation("a", step, "why not").await,
            coordinator.skip_compensation("a", step, "why not").await,
        ] {
            assert!(
                matches!(answer, Err(OperatorError::NotStuck(_))),
                "{step}: {answer:?}"
            );
        }
    }
    locked(&desk.fails).clear();
    let completed = coordinator.complete_step("a", "tell", &7, "it was done");
    completed.await.expect("it is attempted again");
    assert_eq!(handle.wait().await.expect("nothing fails"), (1, 1, 7));
}
