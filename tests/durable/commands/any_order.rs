//! Commands in any order, and restarts between them: what is recorded can be read, and the saga comes to an end. What they have found stands
//! here by itself.

use std::sync::Arc;
use std::time::Duration;

use saga_runtime::coordinator::{Coordinator, Effect};
use saga_runtime::journal::{AttemptPhase, Event, Memory, Reason, State};
use saga_runtime::meta::RetryPolicy;
use saga_runtime::operator::{Operator, SagaCommand};
use saga_runtime::{Context, Kind};

use super::{PAID, answer, failing, forward, found, in_state, saga, stuck, table};
use crate::cut_off::{Ended, call, cut_off};
use crate::shop::{Answer, Refused, Shop, becomes, builder, charge, inspected, order, ship, thank};

/// The number of entries that commands have made.
async fn by_hand(coordinator: &Coordinator<Shop>) -> usize {
    let Ok(Some(inspected)) = coordinator.inspect("order-1").await else {
        return 0;
    };
    let is_by_hand = |event: &Event| match event {
        Event::Compensating { reason, .. } => reason.code == "by_record",
        Event::Retried { .. }
        | Event::CompensationResolved { .. }
        | Event::CompensationSkipped { .. }
        | Event::StepCompleted { .. }
        | Event::Abandoned { .. }
        | Event::Received { .. } => true,
        _ => false,
    };
    let entries = inspected.entries.iter();
    entries.filter(|entry| is_by_hand(&entry.event)).count()
}

#[tokio::test]
async fn commands_in_any_order_record_what_they_say_and_leave_a_history_that_can_be_read() {
    let seed = fastrand::u64(..);
    println!("seed: {seed}");
    let mut chance = fastrand::Rng::with_seed(seed);
    let rows = table();
    let (columns, rows) = (&rows[0][1..], &rows[2..]);
    for _ in 0..400 {
        let row = rows[chance.usize(..rows.len())][0];
        let commands = [(); 3].map(|()| columns[chance.usize(..columns.len())]);
        let case = format!("{row}: {commands:?}");
        let subject = in_state(row).await;
        let coordinator = &subject.coordinator;
        let mut is_abandoned = false;
        for command in commands {
            let until = Arc::clone(&subject.until);
            let ending = tokio::spawn(async move {
                tokio::task::yield_now().await;
                until.notify_one();
            });
            let before = by_hand(coordinator).await;
            let state = coordinator.status("order-1").await;
            let state = state.expect("the journal works");
            let answered = answer(&subject, command).await;
            ending.await.expect("it does not panic");
            let made = by_hand(coordinator).await - before;
            let is_cancelled = command == "`cancel`";
            let expected = match &*answered {
                // A saga that is stuck on its way forward goes on, to be undone.
                "Requested" => usize::from(state == Some(State::Stuck)),
                "Done" if is_cancelled => 0,
                "Done" => 1,
                _ => 0,
            };
            assert_eq!(made, expected, "{case}: {command}: {answered}");
            if is_cancelled && matches!(&*answered, "Done" | "Requested") {
                let inspected = inspected(coordinator, "order-1").await;
                let mut entries = inspected.entries.iter();
                let is_undone =
                    entries.any(|entry| matches!(entry.event, Event::Compensating { .. }));
                let is_asked = inspected.record.cancellation.is_some();
                assert!(is_asked || is_undone, "{case}: {command}: {answered}");
            }
            is_abandoned |= command == "`abandon`" && answered == "Done";
            if is_abandoned {
                let state = coordinator.status("order-1").await;
                assert_eq!(state.expect("it works"), Some(State::Abandoned), "{case}");
            }
        }
        if let Some(shown) = coordinator.inspect("order-1").await.expect("it works") {
            let is_readable = shown.damage.is_none();
            assert_eq!(is_readable, !row.contains("damaged"), "{case}: {shown}");
        }
    }
}

/// The answer to a cancellation agrees with the end of a saga whose pivot an earlier process has attempted without an answer.
#[tokio::test]
async fn a_pivot_that_may_be_done_is_not_cancelled_for_sure() {
    let journal = Memory::new();
    let mut events = forward();
    events.push(failing("ship", Kind::Pivot, AttemptPhase::Forward));
    cut_off(&journal, saga("sell"), &events, Ended::Orderly).await;
    let shop = Shop::default();
    // The saga waits for its next attempt in memory.
    let builder = builder(&shop).patience(Duration::from_hours(24 * 365 * 100));
    let started = builder.journal(journal).start().await;
    let coordinator = started.expect("the journal works");
    becomes(&coordinator, "order-1", State::Running).await;
    let cancelled = coordinator.cancel("order-1", "too late").await;
    assert_eq!(cancelled.expect("it is open"), Effect::Requested);
    becomes(&coordinator, "order-1", State::Completed).await;
    assert_eq!(shop.asked(), ["ship", "thank"]);
}

#[tokio::test]
async fn a_compensation_that_has_failed_is_decided_while_others_are_attempted_again() {
    for skips in [false, true] {
        let mut events = forward();
        let reason = Reason::new("error", "declined");
        let step = Some("ship".into());
        events.push(Event::Compensating { step, reason });
        let phase = AttemptPhase::Compensating;
        events.push(failing("charge", Kind::Compensatable, phase));
        events.push(Event::CompensationFailed {
            step: call("order", Kind::Compensatable),
            attempts: 5,
            message: "no answer".to_owned(),
        });
        let coordinator = found("sell", &events, Shop::default()).await;
        becomes(&coordinator, "order-1", State::Waiting).await;
        for step in ["order", "charge"] {
            let decided = if skips {
                coordinator
                    .skip_compensation("order-1", step, "it stays")
                    .await
            } else {
                coordinator
                    .resolve_compensation("order-1", step, "by hand")
                    .await
            };
            assert_eq!(decided.expect("it has failed, or fails"), Effect::Done);
            let inspected = inspected(&coordinator, "order-1").await;
            assert!(inspected.damage.is_none(), "{inspected}");
        }
        becomes(&coordinator, "order-1", State::Compensated).await;
    }
}

#[tokio::test]
async fn an_output_given_by_hand_is_corrected_after_an_event_has_come() {
    let mut events = stuck("pivot_in_doubt");
    events.push(Event::StepCompleted {
        step: call("ship", Kind::Pivot),
        output: "\"it\"".to_owned(),
        reason: "it was done".to_owned(),
    });
    // The saga is not registered, so nothing follows.
    let coordinator = found("refund", &events, Shop::default()).await;
    for _ in 0..2 {
        coordinator
            .send("order-1", PAID, &3)
            .await
            .expect("it is open");
        let corrected = coordinator.complete_step("order-1", "ship", &"this", "in full");
        assert_eq!(corrected.await.expect("nothing has followed"), Effect::Done);
        let inspected = inspected(&coordinator, "order-1").await;
        assert!(inspected.damage.is_none(), "{inspected}");
    }
}

saga!(
    #[saga(compensatable)]
    async fn paying(cx: Context<'_, Shop>) -> Result<String, Refused> {
        charge(cx).await
    }
);

saga!(
    async fn buying(cx: Context<'_, Shop>) -> Result<(), Refused> {
        try_join!(order(cx), paying(cx))?;
        ship(cx).await?;
        thank(cx).await?;
        Ok(())
    }
);

/// Starts a coordinator that goes on with the saga `order-1` in this journal, and releases it between any two attempts.
async fn buys(shop: &Shop, journal: &Memory) -> Coordinator<Shop> {
    let wait = Duration::from_millis(1);
    let builder = builder(shop)
        .compensation_retry(RetryPolicy::COMPENSATION.backoff(wait, wait))
        .retriable_retry(RetryPolicy::COMPENSATION.backoff(wait, wait))
        .patience(Duration::ZERO)
        .register::<Buying>();
    let started = builder.journal(journal.clone()).start().await;
    started.expect("the journal works")
}

/// Brings the saga `order-1` to its end, with the commands that are offered, while all services work.
async fn ended(coordinator: &Coordinator<Shop>, case: &str) -> State {
    let operator = Operator::of(coordinator);
    for _ in 0..1000 {
        let shown = operator.show("order-1").await.expect("it is there");
        assert_eq!(shown.damage, None, "{case}");
        let state = shown.saga.state().expect("it is known");
        if state.is_final() {
            return state;
        }
        let mut offered = shown.possible.iter();
        let resolves = offered.find(|one| one.command == "resolve");
        let command = match resolves.and_then(|one| one.target.clone()) {
            Some(step) => SagaCommand::Resolve { step },
            None => SagaCommand::Retry,
        };
        if state == State::Stuck {
            drop(operator.command("order-1", &command, "to end it").await);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let shown = inspected(coordinator, "order-1").await;
    panic!("{case}: {shown}");
}

#[tokio::test]
async fn commands_and_restarts_in_any_order_leave_a_saga_that_comes_to_an_end() {
    let seed = fastrand::u64(..);
    println!("seed: {seed}");
    let mut chance = fastrand::Rng::with_seed(seed);
    for _ in 0..150 {
        let mut shop = Shop::default();
        for what in ["order", "charge", "ship", "thank", "refund", "cancel"] {
            let bad = [Answer::Refuses, Answer::Panics];
            let count = chance.usize(..4) * chance.usize(..4);
            let answers: Vec<_> = (0..count).map(|_| bad[chance.usize(..2)].clone()).collect();
            shop = shop.answers(what, answers);
        }
        let journal = Memory::new();
        let mut coordinator = buys(&shop, &journal).await;
        drop(coordinator.submit("order-1", Buying {}).await);
        let mut case = format!("{shop:?}");
        let mut is_undone = false;
        for _ in 0..chance.usize(..8) {
            for _ in 0..chance.usize(..20) {
                tokio::task::yield_now().await;
            }
            let steps = ["order", "paying/charge", "ship", "thank"];
            let (step, why) = (steps[chance.usize(..steps.len())], "why not");
            let command = chance.usize(..7);
            let answered = match command {
                0 => coordinator.cancel("order-1", why).await,
                1 => coordinator.compensate("order-1", why).await,
                2 => coordinator.retry("order-1", why).await,
                3 => coordinator.resolve_compensation("order-1", step, why).await,
                4 => coordinator.skip_compensation("order-1", step, why).await,
                5 => {
                    let output = step.rsplit('/').next().expect("it has a name");
                    coordinator
                        .complete_step("order-1", step, &output, why)
                        .await
                }
                _ => {
                    coordinator.shutdown().await;
                    coordinator = buys(&shop, &journal).await;
                    Ok(Effect::Done)
                }
            };
            case = format!("{case}\n{command} {step}: {answered:?}");
            is_undone |= command < 2 && matches!(answered, Ok(Effect::Done));
            let damage = inspected(&coordinator, "order-1").await.damage;
            assert!(damage.is_none(), "{case}: {damage:?}");
        }
        shop.behaves();
        let end = ended(&coordinator, &case).await;
        let expected = [State::Compensated, State::Completed];
        assert!(expected.contains(&end), "{case}: {end}");
        assert!(!is_undone || end == State::Compensated, "{case}: {end}");
    }
}
