//! A saga that was cut off continues from where it was, after every prefix of its history.

use saga_runtime::coordinator::{Effect, ExecuteError, OperatorError};
use saga_runtime::journal::{
    Entry, Event, Journal, Lease, Memory, NewSaga, Started, State, StepCall, Worker,
};
use saga_runtime::{Context, Kind, saga, step};

use crate::cut_off::{Ended, left};
use crate::shop::{
    Answer, Refused, Sell, Shop, becomes, builder, id, in_memory, inspected, order, started, thank,
};

/// A journal in which a saga has been cut off after these entries.
async fn cut_off(entries: &[Entry]) -> Memory {
    let journal = Memory::new();
    let saga = NewSaga {
        id: id("order-1"),
        name: "sell".to_owned(),
        version: 1,
        fingerprint: Sell::shape().fingerprint(),
        input: "{\"amount\":3}".to_owned(),
        trace: None,
    };
    let lease = Lease {
        worker: Worker::new("gone"),
        duration: std::time::Duration::ZERO,
    };
    let claim = match journal.start(saga, Some(&lease)).await {
        Ok(Started::New(Some(claim))) => claim,
        other => panic!("{other:?}"),
    };
    let events: Vec<Event> = entries.iter().map(|entry| entry.event.clone()).collect();
    if !events.is_empty() {
        let appended = journal.append(&claim, 1, events).await;
        appended.expect("the claim holds");
    }
    journal
}

/// Runs a saga to its end, then again from every beginning of its history; each time the rest of the requests has to come,
/// and the same end.
async fn from_every_beginning(shop: impl Fn() -> Shop, end: State) {
    let first = shop();
    let coordinator = in_memory(&first).await;
    // Its end is compared below.
    let _ = coordinator.execute("order-1", Sell { amount: 3 }).await;
    let whole = inspected(&coordinator, "order-1").await;
    assert_eq!(whole.record.state, end);
    assert!(whole.entries.len() > 2, "{whole}");
    for length in 0..=whole.entries.len() {
        let again = shop();
        let journal = cut_off(&whole.entries[..length]).await;
        let coordinator = started(&again, journal).await;
        becomes(&coordinator, "order-1", end).await;
        let inspected = inspected(&coordinator, "order-1").await;
        let (asked, all) = (again.asked(), first.asked());
        // A compensation that is repeated may be asked for more often, never for something else.
        let mut rest = all.clone();
        rest.retain(|one| asked.contains(one));
        assert!(
            asked.iter().all(|one| all.contains(one)),
            "after {length} of\n{whole}asked for {asked:?} of {all:?}:\n{inspected}"
        );
        let recorded = whole.entries[..length]
            .iter()
            .filter_map(|entry| match &entry.event {
                Event::StepDone { step, .. } => Some(step.name.to_string()),
                _ => None,
            });
        for step in recorded {
            assert!(
                !asked.contains(&step),
                "{step} again after {length} of\n{whole}"
            );
        }
    }
}

#[tokio::test]
async fn a_saga_that_completes() {
    from_every_beginning(Shop::default, State::Completed).await;
}

#[tokio::test]
async fn a_saga_whose_last_step_is_refused() {
    let shop = || Shop::default().always("ship", Answer::Refuses);
    from_every_beginning(shop, State::Compensated).await;
}

#[tokio::test]
async fn a_saga_whose_first_step_is_refused() {
    let shop = || Shop::default().always("charge", Answer::Refuses);
    from_every_beginning(shop, State::Compensated).await;
}

#[tokio::test]
async fn a_saga_whose_compensation_fails_once() {
    let shop = || {
        Shop::default()
            .always("ship", Answer::Refuses)
            .answers("refund", [Answer::Panics])
    };
    from_every_beginning(shop, State::Compensated).await;
}

#[tokio::test]
async fn a_saga_whose_compensation_always_fails() {
    let shop = || {
        Shop::default()
            .always("ship", Answer::Refuses)
            .always("refund", Answer::Refuses)
    };
    from_every_beginning(shop, State::Stuck).await;
}

#[tokio::test]
async fn a_saga_with_a_step_that_always_panics() {
    let shop = || Shop::default().always("charge", Answer::Panics);
    let first = shop();
    let coordinator = in_memory(&first).await;
    match coordinator.execute("order-1", Sell { amount: 3 }).await {
        Err(ExecuteError::Stuck(stuck)) => {
            let text = stuck.to_string();
            assert!(
                text.contains("NOT compensated: `charge`: panicked: charge broke"),
                "{text}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_never_answers_ends_after_the_coordinator_s_limit() {
    let shop = Shop::default().answers("charge", [Answer::Never]);
    let coordinator = in_memory(&shop).await;
    let began = tokio::time::Instant::now();
    match coordinator.execute("order-1", Sell { amount: 3 }).await {
        Err(ExecuteError::Failed(error)) => {
            let text = error.to_string();
            assert!(
                text.contains("at step `charge`: no answer within 60s"),
                "{text}"
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(began.elapsed().as_secs(), 60);
    // It was asked again under its key, and was done.
    assert_eq!(
        shop.asked(),
        ["order", "charge", "charge", "refund", "cancel"]
    );
}

saga!(
    #[saga(deadline = "1h")]
    async fn thank_at_once(cx: Context<'_, Shop>) -> Result<(), Refused> {
        order(cx).await?;
        thank(cx).await?;
        Ok(())
    }
);

#[step(retriable)]
async fn report(cx: Context<'_, Shop>) -> Result<String, Refused> {
    cx.note("report");
    Ok("report".to_owned())
}

saga!(
    async fn thank_and_report(cx: Context<'_, Shop>) -> Result<(), Refused> {
        order(cx).await?;
        try_join!(thank(cx), report(cx))?;
        Ok(())
    }
);

fn done(step: &'static str, kind: Kind) -> Event {
    let call = StepCall {
        name: step.into(),
        occurrence: 0,
        kind,
    };
    Event::StepDone {
        step: call,
        attempts: 1,
        output: format!("\"{step}\""),
        inputs: None,
    }
}

/// The journal of a saga that was cut off after `order`.
async fn after_order(name: &str, input: &str) -> Memory {
    after(name, input, &[], Ended::Killed).await
}

/// The journal of a saga that was cut off after `order` and these entries.
async fn after(name: &str, input: &str, then: &[Event], ended: Ended) -> Memory {
    let saga = NewSaga {
        id: id("order-1"),
        name: name.to_owned(),
        version: 1,
        fingerprint: 0,
        input: input.to_owned(),
        trace: None,
    };
    let mut events = vec![done("order", Kind::Compensatable)];
    events.extend_from_slice(then);
    left(saga, &events, ended).await
}

#[tokio::test]
async fn a_cancel_comes_too_late_for_a_step_that_may_be_done_and_can_not_be_undone() {
    let journal = after_order("thank_at_once", "{}").await;
    // The process that asked for `thank` was killed. It may have been done.
    let noted = journal
        .request_cancel(&id("order-1"), "changed my mind")
        .await;
    assert!(noted.expect("it is in memory"));
    let shop = Shop::default();
    let coordinator = builder(&shop).register::<ThankAtOnce>().journal(journal);
    let coordinator = coordinator.start().await.expect("the journal works");
    becomes(&coordinator, "order-1", State::Completed).await;
    assert_eq!(shop.asked(), ["thank"]);
}

#[tokio::test]
async fn a_step_that_may_be_done_is_settled_also_after_an_operator_had_to_decide() {
    let journal = after_order("sell", "{\"amount\":3}").await;
    let shop = Shop::default();
    let coordinator = builder(&shop).max_recoveries(0).journal(journal);
    let coordinator = coordinator.start().await.expect("the journal works");
    // It may be `charge` that kills the process, after it has charged.
    becomes(&coordinator, "order-1", State::Stuck).await;
    assert_eq!(shop.asked(), [""; 0]);
    // It goes on, but only to be undone.
    let cancelled = coordinator.cancel(&id("order-1"), "it kills us").await;
    assert_eq!(
        cancelled.expect("it is not past its pivot"),
        Effect::Requested
    );
    becomes(&coordinator, "order-1", State::Compensated).await;
    assert_eq!(shop.asked(), ["charge", "refund", "cancel"]);
}

#[tokio::test]
async fn a_cancel_comes_too_late_for_the_rest_of_a_group() {
    // The second member is done, the first one was not requested yet.
    let then = [done("report", Kind::Retriable)];
    let journal = after("thank_and_report", "{}", &then, Ended::Orderly).await;
    let shop = Shop::default();
    let coordinator = builder(&shop).journal(journal.clone());
    let coordinator = coordinator.start().await.expect("the journal works");
    let refused = coordinator.cancel(&id("order-1"), "changed my mind").await;
    assert!(
        matches!(refused, Err(OperatorError::PastPivot)),
        "{refused:?}"
    );
    // One that came just before it was done.
    let noted = journal
        .request_cancel(&id("order-1"), "changed my mind")
        .await;
    assert!(noted.expect("it is in memory"));
    let other = builder(&shop).register::<ThankAndReport>().journal(journal);
    let other = other.start().await.expect("the journal works");
    becomes(&other, "order-1", State::Completed).await;
    assert_eq!(shop.asked(), ["thank"]);
}
