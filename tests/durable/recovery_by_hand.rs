//! Every prefix of every history with a step in doubt, a failed compensation or a decision of an operator. From each of them
//! the next process comes to the same end, and requests nothing again whose outcome is recorded.

use saga_runtime::journal::{Event, Journal, Memory, NewSaga, State};
use saga_runtime::{Coordinator, Saga};

use crate::cut_off::{Ended, left};
use crate::shop::{Answer, Sell, Shop, id, inspected, started};

/// The decision of an operator about a stuck saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ByHand {
    /// It is not stuck.
    Nothing,
    /// It is tried again, now that the shop behaves.
    Retry,
    Resolve(&'static str),
    Skip(&'static str),
    Complete(&'static str),
}

impl ByHand {
    async fn decide(self, coordinator: &Coordinator<Shop>, shop: &Shop) {
        let saga = id("order-1");
        let decided = match self {
            Self::Nothing => panic!("{}", inspected(coordinator, "order-1").await),
            Self::Retry => {
                shop.behaves();
                coordinator.retry(&saga, "it answers again").await
            }
            Self::Resolve(step) => {
                coordinator
                    .resolve_compensation(&saga, step, "in cash")
                    .await
            }
            Self::Skip(step) => coordinator.skip_compensation(&saga, step, "3 cents").await,
            Self::Complete(step) => {
                let output = step.to_owned();
                coordinator
                    .complete_step(&saga, step, &output, "I have seen it")
                    .await
            }
        };
        decided.expect("it is stuck");
    }
}

/// The faults of a shop, each with the decision of the operator.
fn cases() -> Vec<(fn() -> Shop, ByHand)> {
    let nothing: fn() -> Shop = Shop::default;
    let charge_refuses: fn() -> Shop = || Shop::default().always("charge", Answer::Refuses);
    let refund_fails: fn() -> Shop = || {
        Shop::default()
            .always("ship", Answer::Refuses)
            .always("refund", Answer::Refuses)
    };
    let charge_panics: fn() -> Shop = || Shop::default().always("charge", Answer::Panics);
    let ship_panics: fn() -> Shop = || Shop::default().always("ship", Answer::Panics);
    vec![
        (nothing, ByHand::Nothing),
        (charge_refuses, ByHand::Nothing),
        (refund_fails, ByHand::Retry),
        (refund_fails, ByHand::Resolve("charge")),
        (refund_fails, ByHand::Skip("charge")),
        (charge_panics, ByHand::Retry),
        (charge_panics, ByHand::Resolve("charge")),
        (charge_panics, ByHand::Skip("charge")),
        (charge_panics, ByHand::Complete("charge")),
        (ship_panics, ByHand::Retry),
        (ship_panics, ByHand::Resolve("ship")),
        (ship_panics, ByHand::Complete("ship")),
    ]
}

fn new_saga() -> NewSaga {
    NewSaga {
        id: id("order-1"),
        name: Sell::META.name.to_owned(),
        version: Sell::META.version,
        fingerprint: Sell::shape().fingerprint(),
        input: "{\"amount\":3}".to_owned(),
        trace: None,
    }
}

/// Runs the saga to its end, with a decision of the operator if it gets stuck. Returns its state and its history.
async fn goes_on(journal: Memory, shop: &Shop, by_hand: ByHand) -> (State, Vec<Event>) {
    let coordinator = started(shop, journal.clone()).await;
    let mut is_decided = false;
    let state = loop {
        let state = inspected(&coordinator, "order-1").await.record.state;
        if state.is_final() {
            break state;
        }
        if state == State::Stuck {
            assert!(!is_decided, "{}", inspected(&coordinator, "order-1").await);
            is_decided = true;
            by_hand.decide(&coordinator, shop).await;
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    };
    coordinator.shutdown().await;
    let loaded = journal.load(&id("order-1")).await;
    let history = loaded.expect("it is in memory").expect("it is there");
    let entries = history.entries.expect("nothing is damaged").into_iter();
    (state, entries.map(|entry| entry.event).collect())
}

/// The request that is not repeated once this event is recorded.
fn settled(event: &Event) -> Option<&'static str> {
    let undone = |step: &str| match step {
        "order" => Some("cancel"),
        "charge" => Some("refund"),
        _ => None,
    };
    let names = ["order", "charge", "ship", "thank"];
    let step = event.step()?;
    let name = names.into_iter().find(|name| *name == step.name)?;
    match event {
        Event::StepDone { .. } | Event::StepRefused { .. } | Event::StepCompleted { .. } => {
            Some(name)
        }
        Event::CompensationDone { .. }
        | Event::CompensationResolved { .. }
        | Event::CompensationSkipped { .. } => undone(name),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_saga_is_mended_wherever_its_process_has_ended() {
    for (number, (shop, by_hand)) in cases().into_iter().enumerate() {
        let journal = left(new_saga(), &[], Ended::Orderly).await;
        let (expected, history) = goes_on(journal, &shop(), by_hand).await;
        for count in 0..=history.len() {
            for ended in [Ended::Orderly, Ended::Killed] {
                let before = &history[..count];
                let shop = shop();
                if before
                    .iter()
                    .any(|event| matches!(event, Event::Retried { .. }))
                {
                    shop.behaves();
                }
                let journal = left(new_saga(), before, ended).await;
                let (state, after) = goes_on(journal, &shop, by_hand).await;
                let what = format!(
                    "case {number}, {by_hand:?}, {ended:?} after {count}: {history:#?}, then {after:#?}"
                );
                assert_eq!(state, expected, "{what}");
                assert_eq!(after[..count], *before, "{what}");
                for settled in before.iter().filter_map(settled) {
                    let asked = shop.asked();
                    assert!(
                        !asked.iter().any(|asked| asked == settled),
                        "{asked:?}, {what}"
                    );
                }
            }
        }
    }
}
