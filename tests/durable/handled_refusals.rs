//! A refusal that the body handles, of a step that was in doubt before: the body gets the same in every process.

use saga_runtime::journal::{Entry, Event, Memory, NewSaga, Reason, State};
use saga_runtime::{Context, Kind, saga};

use crate::cut_off::{Ended, call, done, left};
use crate::shop::{Answer, Refused, Shop, becomes, builder, charge, id, inspected, order, thank};

saga!(
    async fn sell_on_credit(cx: Context<'_, Shop>) -> Result<String, Refused> {
        order(cx).await?;
        let paid = match charge(cx).await {
            Ok(paid) => paid,
            Err(Refused(what)) => format!("{what} later"),
        };
        thank(cx).await?;
        Ok(paid)
    }
);

/// The saga, cut off after these entries, at this shop.
async fn cut_off_after(
    events: &[Event],
    ended: Ended,
    shop: &Shop,
) -> saga_runtime::Coordinator<Shop> {
    let saga = NewSaga {
        id: id("order-1"),
        name: "sell_on_credit".to_owned(),
        version: 1,
        fingerprint: SellOnCredit::shape().fingerprint(),
        input: "{}".to_owned(),
        trace: None,
    };
    let journal = left(saga, events, ended).await;
    let coordinator = builder(shop).register::<SellOnCredit>().journal(journal);
    coordinator.start().await.expect("the journal works")
}

fn has_no_answer() -> Shop {
    Shop::default().answers("charge", [Answer::Never, Answer::Refuses])
}

#[tokio::test(start_paused = true)]
async fn every_process_gets_the_refusal_of_a_step_that_had_given_no_answer() {
    let shop = has_no_answer();
    let coordinator = builder(&shop)
        .register::<SellOnCredit>()
        .journal(Memory::new());
    let coordinator = coordinator.start().await.expect("it is in memory");
    let sold = coordinator.execute("order-1", SellOnCredit {}).await;
    assert_eq!(sold.expect("it is sold on credit"), "charge later");
    assert_eq!(shop.asked(), ["order", "charge", "charge", "thank"]);
    let whole = inspected(&coordinator, "order-1").await;
    let names: Vec<_> = whole.entries.iter().map(|one| one.event.name()).collect();
    let expected = [
        "step_done",
        "step_in_doubt",
        "step_settled_nothing",
        "step_done",
        "completed",
    ];
    assert_eq!(names, expected, "{whole}");
    let event = |entry: &Entry| entry.event.clone();
    let events: Vec<_> = whole.entries.iter().map(event).collect();
    for length in 0..events.len() {
        // It goes on where it was: with the first request, or with the second one.
        let again = if length < 2 {
            has_no_answer()
        } else {
            Shop::default().answers("charge", [Answer::Refuses])
        };
        let coordinator = cut_off_after(&events[..length], Ended::Orderly, &again).await;
        becomes(&coordinator, "order-1", State::Completed).await;
        let last = inspected(&coordinator, "order-1").await;
        let last = last.entries.last().map(event);
        assert_eq!(last.as_ref(), events.last(), "after {length} of\n{whole}");
        assert_eq!(again.asked(), shop.asked()[length..]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_saga_that_was_cancelled_does_not_go_on_with_the_refusal_of_a_step_in_doubt() {
    for ended in [Ended::Orderly, Ended::Killed] {
        let reason = Reason::new("cancelled", "cancelled");
        let events = [
            done("order", Kind::Compensatable),
            Event::StepInDoubt {
                step: call("charge", Kind::Compensatable),
                attempts: 1,
                reason: reason.clone(),
            },
        ];
        let shop = Shop::default().answers("charge", [Answer::Refuses]);
        let coordinator = cut_off_after(&events, ended, &shop).await;
        becomes(&coordinator, "order-1", State::Compensated).await;
        assert_eq!(shop.asked(), ["charge", "cancel"], "{ended:?}");
        let end = inspected(&coordinator, "order-1").await;
        let decided = end.entries.iter().find_map(|entry| match &entry.event {
            Event::Compensating { reason, .. } => Some(reason),
            _ => None,
        });
        assert_eq!(decided, Some(&reason), "{end}");
    }
}
