//! A stuck saga is mended by hand.

use std::time::{Duration, UNIX_EPOCH};

use saga_runtime::coordinator::{Effect, ExecuteError, OperatorError};
use saga_runtime::journal::{
    AttemptPhase, Event, Filter, Memory, NewSaga, Reason, Settled, Sqlite, State,
};
use saga_runtime::{CompensationOutcome, Context, Coordinator, Kind, saga, step};
use tempfile::TempDir;

use crate::cut_off::{Ended, call, cut_off, left};
use crate::shop::{
    Answer, Refused, Sell, SellAndHalt, Shop, becomes, builder, id, in_memory, inspected, reasons,
    started,
};

/// A saga whose refund has failed for good.
async fn stuck(shop: &Shop) -> Coordinator<Shop> {
    let coordinator = in_memory(shop).await;
    match coordinator.execute("order-1", Sell { amount: 3 }).await {
        Err(ExecuteError::Stuck(_)) => coordinator,
        other => panic!("{other:?}"),
    }
}

fn refund_fails() -> Shop {
    Shop::default()
        .always("ship", Answer::Refuses)
        .always("refund", Answer::Refuses)
}

#[tokio::test]
async fn it_is_counted_and_says_what_is_to_be_done() {
    let coordinator = stuck(&refund_fails()).await;
    let stuck = coordinator
        .list(&Filter::default().state(State::Stuck))
        .await;
    assert_eq!(stuck.expect("it works").sagas.len(), 1);
    let inspected = inspected(&coordinator, "order-1").await;
    let left: Vec<_> = inspected
        .to_compensate
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(left, ["charge"]);
    let text = inspected.to_string();
    assert!(
        text.contains("charge NOT compensated after 2 attempts: refund was refused"),
        "{text}"
    );
    assert!(text.contains("order compensated"), "{text}");
}

#[tokio::test]
async fn what_failed_is_tried_again() {
    let shop = refund_fails();
    let coordinator = stuck(&shop).await;
    shop.behaves();
    let asked = shop.asked().len();
    let retried = coordinator.retry(&id("order-1"), "the bank is back").await;
    retried.expect("it is stuck");
    becomes(&coordinator, "order-1", State::Compensated).await;
    assert_eq!(shop.asked()[asked..], ["refund"]);
    let inspected = inspected(&coordinator, "order-1").await;
    assert_eq!(reasons(&inspected), ["the bank is back"]);
    let refused = coordinator.retry(&id("order-1"), "again").await;
    assert!(
        matches!(refused, Err(OperatorError::Final(State::Compensated))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn what_fails_again_is_stuck_again() {
    let shop = refund_fails();
    let coordinator = stuck(&shop).await;
    for round in 1..4 {
        let retried = coordinator.retry(&id("order-1"), "let us see").await;
        retried.expect("it is stuck");
        becomes(&coordinator, "order-1", State::Stuck).await;
        let inspected = inspected(&coordinator, "order-1").await;
        assert_eq!(reasons(&inspected).len(), round);
    }
}

#[tokio::test]
async fn a_compensation_is_done_by_hand() {
    let coordinator = stuck(&refund_fails()).await;
    let resolved = coordinator
        .resolve_compensation(&id("order-1"), "charge", "paid back in cash")
        .await;
    resolved.expect("it is stuck");
    becomes(&coordinator, "order-1", State::Compensated).await;
    match coordinator.execute("order-1", Sell { amount: 3 }).await {
        Err(ExecuteError::Failed(error)) => {
            assert!(error.is_compensated());
            let reason = "paid back in cash".to_owned();
            let outcomes = error.compensations();
            assert!(
                outcomes.iter().any(|one| one.outcome
                    == CompensationOutcome::ResolvedByHand {
                        reason: reason.clone()
                    }),
                "{outcomes:?}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_compensation_that_is_skipped_is_said_for_ever() {
    let coordinator = stuck(&refund_fails()).await;
    let skipped = coordinator
        .skip_compensation(&id("order-1"), "charge", "3 cents are not worth it")
        .await;
    skipped.expect("it is stuck");
    becomes(&coordinator, "order-1", State::Compensated).await;
    let inspected = inspected(&coordinator, "order-1").await;
    assert_eq!(inspected.skipped.len(), 1, "{inspected}");
    assert_eq!(inspected.skipped[0].reason, "3 cents are not worth it");
    let line = "  skipped: charge: 3 cents are not worth it\n";
    assert!(inspected.to_string().ends_with(line), "{inspected}");
    let filter = Filter::default().skipped();
    let found = coordinator.list(&filter).await.expect("the journal works");
    assert_eq!(found.sagas.len(), 1);
    match coordinator.execute("order-1", Sell { amount: 3 }).await {
        Err(ExecuteError::Failed(error)) => {
            assert!(!error.is_compensated());
            let text = error.to_string();
            assert!(
                text.contains("; skipped: `charge`: 3 cents are not worth it"),
                "{text}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_was_halted_goes_on() {
    let shop = refund_fails();
    let coordinator = in_memory(&shop).await;
    let executed = coordinator.execute("order-1", SellAndHalt {}).await;
    assert!(
        matches!(executed, Err(ExecuteError::Stuck(_))),
        "{executed:?}"
    );
    assert!(!shop.asked().contains(&"cancel".to_owned()));
    let resolved = coordinator
        .resolve_compensation(&id("order-1"), "charge", "paid back in cash")
        .await;
    resolved.expect("it is stuck");
    becomes(&coordinator, "order-1", State::Compensated).await;
    assert_eq!(shop.asked().last().map(String::as_str), Some("cancel"));
}

#[tokio::test]
async fn only_what_is_open_can_be_decided() {
    let coordinator = stuck(&refund_fails()).await;
    for step in ["order", "ship", "charge#1", "nothing"] {
        match coordinator
            .skip_compensation(&id("order-1"), step, "why not")
            .await
        {
            Err(error @ OperatorError::NothingToDecide { .. }) => {
                let text = error.to_string();
                assert!(text.ends_with("decide about: charge"), "{text}");
            }
            other => panic!("{other:?}"),
        }
    }
    let completed = coordinator
        .complete_step(&id("order-1"), "charge", &"x", "why not")
        .await;
    assert!(
        matches!(completed, Err(OperatorError::NothingToDecide { .. })),
        "{completed:?}"
    );
    // Nothing has changed.
    assert_eq!(
        inspected(&coordinator, "order-1").await.record.state,
        State::Stuck
    );
    coordinator
        .retry(&id("order-1"), "still there")
        .await
        .expect("it is stuck");
}

/// A pivot without a definite answer: the parcel may be on its way.
async fn pivot_in_doubt(shop: &Shop) -> Coordinator<Shop> {
    let coordinator = in_memory(shop).await;
    match coordinator.execute("order-1", Sell { amount: 3 }).await {
        Err(ExecuteError::Stuck(stuck)) => {
            let error = stuck.error.expect("this process has seen it");
            assert!(!error.is_compensated());
        }
        other => panic!("{other:?}"),
    }
    assert!(!shop.asked().contains(&"refund".to_owned()));
    coordinator
}

#[tokio::test]
async fn a_pivot_in_doubt_that_was_done_goes_forward() {
    let shop = Shop::default().always("ship", Answer::Panics);
    let coordinator = pivot_in_doubt(&shop).await;
    let completed = coordinator
        .complete_step(&id("order-1"), "ship", &"parcel 17", "the customer has it")
        .await;
    completed.expect("it is stuck");
    becomes(&coordinator, "order-1", State::Completed).await;
    assert_eq!(shop.asked().last().map(String::as_str), Some("thank"));
}

#[tokio::test]
async fn an_output_that_the_step_can_not_have_is_refused() {
    let shop = Shop::default().always("ship", Answer::Panics);
    let coordinator = pivot_in_doubt(&shop).await;
    let before = inspected(&coordinator, "order-1").await.entries;
    let refused = coordinator.complete_step("order-1", "ship", &41, "I have seen it");
    match refused.await {
        Err(error @ OperatorError::Unreadable { .. }) => {
            let text = error.to_string();
            assert!(
                text.starts_with("step `ship` can't have this output: invalid type: integer `41`"),
                "{text}"
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(inspected(&coordinator, "order-1").await.entries, before);
    let completed = coordinator.complete_step("order-1", "ship", &"parcel 41", "I have seen it");
    completed.await.expect("it is in doubt");
    becomes(&coordinator, "order-1", State::Completed).await;
}

/// A version of the library that did not check outputs has recorded a wrong one.
#[tokio::test]
async fn an_output_that_was_given_by_hand_is_corrected_while_nothing_has_followed() {
    let shop = Shop::default().always("ship", Answer::Panics);
    let coordinator = pivot_in_doubt(&shop).await;
    let entries = inspected(&coordinator, "order-1").await.entries;
    let mut events: Vec<_> = entries.into_iter().map(|entry| entry.event).collect();
    let completed = |output: &str| Event::StepCompleted {
        step: call("ship", Kind::Pivot),
        output: output.to_owned(),
        reason: "I have seen it".to_owned(),
    };
    let reason = Reason::new("unreadable", "the recorded output can't be read");
    events.extend([completed("41"), Event::Stuck { reason }]);
    let journal = Memory::new();
    let new = NewSaga {
        id: id("order-1"),
        name: "sell".to_owned(),
        version: 1,
        fingerprint: 0,
        input: "{\"amount\":3}".to_owned(),
        trace: None,
    };
    cut_off(&journal, new, &events, Ended::Orderly).await;
    let shop = Shop::default();
    let coordinator = started(&shop, journal).await;
    let corrected = coordinator.complete_step("order-1", "ship", &"parcel 41", "in full");
    corrected.await.expect("nothing has followed");
    becomes(&coordinator, "order-1", State::Completed).await;
    assert_eq!(shop.asked(), ["thank"]);
}

#[tokio::test]
async fn a_pivot_in_doubt_that_was_not_done_goes_backward() {
    let shop = Shop::default().always("ship", Answer::Panics);
    let coordinator = pivot_in_doubt(&shop).await;
    let resolved = coordinator
        .resolve_compensation(&id("order-1"), "ship", "it never left the house")
        .await;
    resolved.expect("it is stuck");
    becomes(&coordinator, "order-1", State::Compensated).await;
    let asked = shop.asked();
    assert_eq!(asked[asked.len() - 2..], ["refund", "cancel"]);
}

#[tokio::test]
async fn a_pivot_in_doubt_is_asked_again() {
    for refuses in [false, true] {
        let shop = Shop::default().always("ship", Answer::Panics);
        let coordinator = pivot_in_doubt(&shop).await;
        shop.behaves();
        let (shop, end) = if refuses {
            (shop.always("ship", Answer::Refuses), State::Compensated)
        } else {
            (shop, State::Completed)
        };
        let retried = coordinator
            .retry(&id("order-1"), "the courier is back")
            .await;
        retried.expect("it is stuck");
        becomes(&coordinator, "order-1", end).await;
        assert!(shop.asked().len() > 4);
    }
}

#[tokio::test]
async fn a_wrong_question_changes_nothing() {
    let folder = TempDir::new().expect("a folder for the test");
    let journal = Sqlite::open(folder.path().join("sagas.db")).await;
    let shop = refund_fails();
    let coordinator = started(&shop, journal.expect("it is new")).await;
    let executed = coordinator.execute("order-1", Sell { amount: 3 }).await;
    assert!(
        matches!(executed, Err(ExecuteError::Stuck(_))),
        "{executed:?}"
    );
    let before = inspected(&coordinator, "order-1").await.entries;
    let asked = shop.asked();
    let refused = coordinator
        .resolve_compensation(&id("order-1"), "order", "it was not this one")
        .await;
    assert!(
        matches!(refused, Err(OperatorError::NothingToDecide { .. })),
        "{refused:?}"
    );
    // No saga has such an id.
    let asking = coordinator.clone();
    let asked_for = tokio::spawn(async move { asking.retry("", "which one?").await });
    let refused = asked_for.await.expect("nothing panics");
    assert!(
        matches!(refused, Err(OperatorError::Unknown)),
        "{refused:?}"
    );
    let nothing = coordinator.inspect("").await.expect("the journal works");
    assert!(nothing.is_none());
    let there = coordinator.inspect("order-1").await;
    assert!(there.expect("the journal works").is_some());
    // Another saga comes to its end, so every saga that could continue has done so.
    shop.behaves();
    let executed = coordinator.execute("order-2", Sell { amount: 3 }).await;
    executed.expect("nothing fails");
    let inspected = inspected(&coordinator, "order-1").await;
    assert_eq!(
        (inspected.record.state, inspected.entries),
        (State::Stuck, before)
    );
    assert!(!shop.asked()[asked.len()..].contains(&"refund".to_owned()));
    let resolved = coordinator
        .resolve_compensation(&id("order-1"), "charge", "paid back in cash")
        .await;
    resolved.expect("it is stuck");
    becomes(&coordinator, "order-1", State::Compensated).await;
}

#[step(pivot, retry(attempts = 3, backoff = "1h..1h"))]
async fn launch(cx: Context<'_, Shop>) -> Result<String, Refused> {
    cx.ask("launch").await
}

saga!(
    async fn launching(cx: Context<'_, Shop>) -> Result<(), Refused> {
        launch(cx).await?;
        Ok(())
    }
);

/// The history of a saga that is stuck at its pivot. An older version may have recorded the attempts after a `retry` as such that
/// go forward.
fn launch_in_doubt(is_older: bool) -> Vec<Event> {
    let step = || call("launch", Kind::Pivot);
    let reason = || Reason::new("timed_out", "no answer within 3s");
    let (attempts, message) = (3, "no answer".to_owned());
    let settled = Settled::Unresolved { attempts, message };
    let mut events = vec![
        Event::StepInDoubt {
            step: step(),
            attempts,
            reason: reason(),
        },
        Event::StepSettled {
            step: step(),
            settled,
        },
        Event::Stuck {
            reason: Reason::new("pivot_in_doubt", "a reason"),
        },
    ];
    if is_older {
        let now = UNIX_EPOCH + Duration::from_secs(1_900_000_000);
        let year = Duration::from_hours(24 * 365);
        let retried = "ask".to_owned();
        events.push(Event::Retried { reason: retried });
        events.push(Event::Failing {
            step: step(),
            phase: AttemptPhase::Forward,
            attempts: 1,
            earlier: 0,
            in_doubt: true,
            reason: reason(),
            since: now,
            until: now + year,
        });
    }
    events
}

#[tokio::test]
async fn a_pivot_in_doubt_that_is_asked_again_is_parked_between_two_attempts() {
    for is_older in [false, true] {
        let new = NewSaga {
            id: id("a"),
            name: "launching".to_owned(),
            version: 1,
            fingerprint: 0,
            input: "{}".to_owned(),
            trace: None,
        };
        let journal = left(new, &launch_in_doubt(is_older), Ended::Orderly).await;
        let shop = Shop::default().always("launch", Answer::Panics);
        let start = async || {
            let builder = builder(&shop).patience(Duration::ZERO);
            let builder = builder.register::<Launching>().journal(journal.clone());
            builder.start().await.expect("the journal works")
        };
        let first = start().await;
        if !is_older {
            let retried = first.retry("a", "the service works again").await;
            retried.expect("it is stuck");
        }
        loop {
            let inspected = inspected(&first, "a").await;
            assert!(inspected.damage.is_none(), "{inspected}");
            let failing = &inspected.record.failing;
            let settles = failing
                .first()
                .is_some_and(|one| one.phase == AttemptPhase::Settling);
            if inspected.record.state == State::Waiting && settles {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(shop.asked(), ["launch"]);
        first.shutdown().await;
        let second = start().await;
        let completed = second.complete_step("a", "launch", &"it", "it was launched");
        assert_eq!(completed.await.expect("it is asked again"), Effect::Done);
        becomes(&second, "a", State::Completed).await;
        assert_eq!(shop.asked(), ["launch"]);
    }
}
