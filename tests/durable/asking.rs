//! A caller asks for a saga that has not ended: its state, the decision to undo it, and what is known after a time limit.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use saga_runtime::coordinator::{ExecuteError, OperatorError};
use saga_runtime::journal::{Memory, State};
use saga_runtime::{
    Cause, CompensationOutcome, Context, Coordinator, EventName, event, saga, sleep, step,
};
use tokio::sync::Notify;

use crate::shop::{
    Answer, Refused, Sell, SellAndHalt, Shop, becomes, charge, in_memory, inspected, order, ship,
    started,
};

const APPROVED: EventName<u32> = EventName::new("approved");

saga!(
    #[derive(Clone)]
    async fn approving(cx: Context<'_, Shop>) -> Result<u32, Refused> {
        order(cx).await?;
        let approved = event(cx, APPROVED).await;
        Ok(approved)
    }
);

/// Subscribes a customer.
#[step(compensate = unsubscribe)]
async fn subscribe(_: Context<'_, Shop>) -> Result<(), Refused> {
    Ok(())
}

async fn unsubscribe(_: Context<'_, Shop>, _: &()) -> Result<(), Refused> {
    Ok(())
}

saga!(
    #[derive(Clone)]
    async fn subscribing(cx: Context<'_, Shop>) -> Result<(), Refused> {
        subscribe(cx).await?;
        subscribe(cx).await?;
        charge(cx).await?;
        Ok(())
    }
);

saga!(
    async fn shipping(cx: Context<'_, Shop>) -> Result<(), Refused> {
        order(cx).await?;
        ship(cx).await?;
        sleep(cx, Duration::from_secs(3600)).await;
        Ok(())
    }
);

async fn desk(shop: &Shop) -> Coordinator<Shop> {
    let builder = Coordinator::builder(shop.clone())
        .journal(Memory::new())
        .register::<Approving>()
        .register::<Subscribing>()
        .register::<Shipping>();
    builder.start().await.expect("the journal is new")
}

#[tokio::test]
async fn a_caller_hears_of_the_failure_before_it_is_undone() {
    let until = Arc::new(Notify::new());
    let shop = Shop::default()
        .answers("charge", [Answer::Refuses])
        .answers("cancel", [Answer::Waits(Arc::clone(&until))]);
    let journal = Memory::new();
    let coordinator = started(&shop, journal.clone()).await;
    let other = started(&shop, journal).await;
    let handle = coordinator.submit("order-1", Sell { amount: 3 }).await;
    let handle = handle.expect("it is new");
    for asking in [
        coordinator.attach::<Sell>("order-1").await,
        other.attach::<Sell>("order-1").await,
    ] {
        match asking.expect("it is there").decided().await {
            Err(ExecuteError::Compensating(error)) => {
                assert_eq!(*error.cause(), Cause::Error(Refused("charge".to_owned())));
                assert_eq!(error.step(), Some("charge"));
                let outcomes = error.compensations().iter().map(|one| &one.outcome);
                assert!(outcomes.eq([&CompensationOutcome::Pending]), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
    until.notify_one();
    match handle.wait().await {
        Err(ExecuteError::Failed(error)) => assert!(error.is_compensated()),
        other => panic!("{other:?}"),
    }
    let ended = coordinator.attach::<Sell>("order-1").await;
    let decided = ended.expect("it is there").decided().await;
    assert!(
        matches!(decided, Err(ExecuteError::Failed(_))),
        "{decided:?}"
    );
}

#[tokio::test]
async fn the_decision_about_a_saga_that_completes_is_its_end() {
    let coordinator = in_memory(&Shop::default()).await;
    let handle = coordinator.submit("order-1", Sell { amount: 3 }).await;
    let handle = handle.expect("it is new");
    assert_eq!(handle.decided().await.expect("nothing fails"), 3);
    assert_eq!(handle.wait().await.expect("nothing fails"), 3);
}

#[tokio::test]
async fn after_its_limit_a_caller_is_told_what_is_known() {
    let coordinator = desk(&Shop::default()).await;
    let limit = Duration::from_millis(50);
    let handle = coordinator.submit("order-1", Approving {}).await;
    let waiting = handle.expect("it is new");
    loop {
        let inspection = coordinator.inspect("order-1").await.expect("it works");
        if !inspection.expect("it is there").waits.is_empty() {
            break;
        }
        tokio::task::yield_now().await;
    }
    let executed = coordinator
        .execute_within("order-1", Approving {}, limit)
        .await;
    for told in [executed, waiting.wait_within(limit).await] {
        match told {
            Err(ExecuteError::InProgress {
                id,
                why,
                state,
                waits,
                ..
            }) => {
                assert_eq!(id.as_str(), "order-1");
                assert!(why.contains("50ms"), "{why}");
                // In memory, or released: that depends on how long it has waited.
                let is_open = matches!(state, Some(State::Running | State::Waiting));
                assert!(is_open, "{state:?}");
                let waits: Vec<_> = waits.iter().map(|wait| wait.call.to_string()).collect();
                assert_eq!(waits, ["event:approved"]);
            }
            other => panic!("{other:?}"),
        }
    }
    let sent = coordinator.send("order-1", APPROVED, &7).await;
    sent.expect("it waits");
    let executed = coordinator
        .execute_within("order-1", Approving {}, Duration::MAX)
        .await;
    assert_eq!(executed.expect("nothing fails"), 7);
}

#[tokio::test]
async fn the_state_and_the_end_are_told_without_waiting() {
    let until = Arc::new(Notify::new());
    let shop = Shop::default()
        .answers("order", [Answer::Waits(Arc::clone(&until))])
        .answers("charge", [Answer::Refuses]);
    let coordinator = in_memory(&shop).await;
    assert_eq!(coordinator.status("order-1").await.expect("it works"), None);
    let unknown = coordinator.outcome::<Sell>("order-1").await;
    assert!(
        matches!(unknown, Err(OperatorError::Unknown)),
        "{unknown:?}"
    );
    let handle = coordinator.submit("order-1", Sell { amount: 3 }).await;
    let handle = handle.expect("it is new");
    let running = coordinator.status("order-1").await.expect("it works");
    assert_eq!(running, Some(State::Running));
    let open = coordinator.outcome::<Sell>("order-1").await;
    assert!(matches!(open, Ok(None)), "{open:?}");
    let other = coordinator.outcome::<SellAndHalt>("order-1").await;
    assert!(
        matches!(other, Err(OperatorError::OtherSaga { .. })),
        "{other:?}"
    );
    until.notify_one();
    becomes(&coordinator, "order-1", State::Compensated).await;
    let status = handle.status().await.expect("it works");
    assert_eq!(status, Some(State::Compensated));
    match coordinator.outcome::<Sell>("order-1").await {
        Ok(Some(Err(ExecuteError::Failed(error)))) => {
            assert_eq!(*error.cause(), Cause::Error(Refused("charge".to_owned())));
        }
        other => panic!("{other:?}"),
    }
    let second = coordinator.execute("order-2", Sell { amount: 3 }).await;
    assert_eq!(second.expect("nothing fails"), 3);
    let completed = coordinator.outcome::<Sell>("order-2").await;
    assert!(matches!(completed, Ok(Some(Ok(3)))), "{completed:?}");
}

#[tokio::test]
async fn a_saga_that_was_removed_is_neither_completed_nor_in_progress() {
    let shop = Shop::default().answers("charge", [Answer::Refuses]);
    let coordinator = in_memory(&shop).await;
    let handle = coordinator.submit("order-1", Sell { amount: 3 }).await;
    handle
        .expect("it is new")
        .wait()
        .await
        .expect_err("it fails");
    let handle = coordinator.attach::<Sell>("order-1").await;
    let handle = handle.expect("it is there");
    let later = SystemTime::now() + Duration::from_secs(60);
    assert_eq!(coordinator.purge(later).await.expect("it works"), 1);
    assert_eq!(handle.status().await.expect("it works"), None);
    let decided = handle.decided().await;
    assert!(
        matches!(decided, Err(ExecuteError::Removed { .. })),
        "{decided:?}"
    );
    let waited = handle.wait().await.expect_err("nothing is known of it");
    assert_eq!(
        waited.to_string(),
        "saga `order-1` has ended and was removed from the journal"
    );
}

#[tokio::test]
async fn two_calls_of_a_step_have_two_names() {
    let shop = Shop::default().answers("charge", [Answer::Refuses]);
    let coordinator = desk(&shop).await;
    let first = coordinator.execute("order-1", Subscribing {}).await;
    let later = coordinator.execute("order-1", Subscribing {}).await;
    for failed in [first, later] {
        assert_eq!(
            failed.expect_err("it fails").to_string(),
            "saga `subscribing` failed at step `charge`: charge was refused; \
             compensated: `subscribe#1`, `subscribe`"
        );
    }
}

#[tokio::test]
async fn a_wait_that_ends_a_saga_is_named_by_its_event() {
    let coordinator = desk(&Shop::default()).await;
    let handle = coordinator.submit("order-1", Approving {}).await;
    loop {
        let inspection = coordinator.inspect("order-1").await.expect("it works");
        if !inspection.expect("it is there").waits.is_empty() {
            break;
        }
        tokio::task::yield_now().await;
    }
    let cancelled = coordinator.cancel("order-1", "it was not approved").await;
    cancelled.expect("it is before its pivot");
    let first = handle.expect("it is new").wait().await;
    let later = coordinator.execute("order-1", Approving {}).await;
    for ended in [first, later] {
        match ended {
            Err(ExecuteError::Failed(error)) => {
                assert_eq!(error.step(), Some("event:approved"), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn past_the_pivot_nothing_is_listed_to_be_compensated() {
    let shop = Shop::default();
    let coordinator = desk(&shop).await;
    let handle = coordinator.submit("order-1", Shipping {}).await;
    drop(handle.expect("it is new"));
    loop {
        let inspection = inspected(&coordinator, "order-1").await;
        let is_shipped = inspection.entries.iter().any(|entry| {
            let step = entry.event.step();
            step.is_some_and(|step| step.name == "ship")
        });
        if is_shipped {
            assert_eq!(inspection.to_compensate, [], "{inspection}");
            break;
        }
        tokio::task::yield_now().await;
    }
}
