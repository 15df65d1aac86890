//! An operator undoes a saga from its record, without a run of its body.

use std::time::Duration;

use saga_runtime::coordinator::{Builder, Coordinator, Effect, ExecuteError, OperatorError};
use saga_runtime::journal::{Event, Journal, Memory, NewSaga, Reason, Settled, State};
use saga_runtime::{Context, EventName, Kind, event, saga, step, try_join_all};

use crate::cut_off::{Ended, call, cut_off, done};
use crate::shop::{
    Answer, Refused, Sell, Shop, becomes, builder, charge, id, inspected, order, started, thank,
};

const WHY: &str = "the old code is gone";

/// A journal in which another process has left the saga `order-1` of this name after these entries.
async fn found(name: &str, input: &str, events: &[Event], ended: Ended) -> Memory {
    let journal = Memory::new();
    let new = NewSaga {
        id: id("order-1"),
        name: name.to_owned(),
        version: 1,
        fingerprint: 0,
        input: input.to_owned(),
        trace: None,
    };
    cut_off(&journal, new, events, ended).await;
    journal
}

const INPUT: &str = "{\"amount\":3}";

fn compensatable(name: &'static str) -> Event {
    done(name, Kind::Compensatable)
}

/// Undoes the saga `order-1` when it is stuck, up to this state.
async fn undoes(coordinator: &Coordinator<Shop>, end: State) {
    becomes(coordinator, "order-1", State::Stuck).await;
    let undone = coordinator.compensate("order-1", WHY).await;
    assert_eq!(undone.expect("it is stuck"), Effect::Done);
    settles(coordinator, end).await;
}

/// Waits until the saga `order-1` does nothing more.
async fn settles(coordinator: &Coordinator<Shop>, end: State) {
    let settling = async {
        loop {
            let inspected = inspected(coordinator, "order-1").await;
            let last = inspected.entries.last().map(|last| last.event.name());
            if ["stuck", "compensated"].contains(&last.unwrap_or_default()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let settled = tokio::time::timeout(Duration::from_mins(10), settling).await;
    let inspected = inspected(coordinator, "order-1").await;
    assert!(settled.is_ok(), "{inspected}");
    assert_eq!(inspected.record.state, end, "{inspected}");
}

/// The calls about which an operator has to decide, each with the reason.
async fn left(coordinator: &Coordinator<Shop>) -> Vec<String> {
    let refused = coordinator
        .resolve_compensation("order-1", "nothing", "why not")
        .await;
    match refused {
        Err(OperatorError::NothingToDecide { open, .. }) => {
            open.split(", ").map(str::to_owned).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_definition_that_has_changed() {
    // The steps had another order.
    let events = [compensatable("charge"), compensatable("order")];
    let shop = Shop::default();
    let journal = found("sell", INPUT, &events, Ended::Orderly).await;
    let coordinator = started(&shop, journal).await;
    undoes(&coordinator, State::Compensated).await;
    assert_eq!(shop.asked(), ["cancel", "refund"]);
    match coordinator.execute("order-1", Sell { amount: 3 }).await {
        Err(ExecuteError::Failed(error)) => {
            assert!(error.is_compensated());
            assert_eq!(error.cause().to_string(), WHY);
        }
        other => panic!("{other:?}"),
    }
    let refused = coordinator.compensate("order-1", WHY).await;
    assert!(
        matches!(refused, Err(OperatorError::Final(State::Compensated))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_step_whose_code_is_gone_is_left_to_the_operator() {
    let events = [
        compensatable("order"),
        compensatable("pay"),
        compensatable("charge"),
    ];
    let shop = Shop::default();
    let journal = found("sell", INPUT, &events, Ended::Orderly).await;
    let coordinator = started(&shop, journal).await;
    undoes(&coordinator, State::Stuck).await;
    assert_eq!(shop.asked(), ["refund", "cancel"]);
    assert_eq!(left(&coordinator).await, ["pay"]);
    let text = inspected(&coordinator, "order-1").await.to_string();
    assert!(
        text.contains("pay NOT compensated: the code of the step is not registered"),
        "{text}"
    );
    let resolved = coordinator.resolve_compensation("order-1", "pay", "paid back by hand");
    resolved.await.expect("it is stuck");
    settles(&coordinator, State::Compensated).await;
    assert_eq!(
        shop.asked(),
        ["refund", "cancel"],
        "nothing is undone twice"
    );
}

#[tokio::test]
async fn an_output_that_can_not_be_read_is_left_to_the_operator() {
    let mut unreadable = compensatable("order");
    if let Event::StepDone { output, .. } = &mut unreadable {
        "17".clone_into(output);
    }
    let events = [unreadable, compensatable("charge")];
    let shop = Shop::default();
    let journal = found("sell", INPUT, &events, Ended::Orderly).await;
    let coordinator = started(&shop, journal).await;
    undoes(&coordinator, State::Stuck).await;
    assert_eq!(shop.asked(), ["refund"]);
    let skipped = coordinator.skip_compensation("order-1", "order", "it is of no use");
    skipped.await.expect("it is stuck");
    settles(&coordinator, State::Compensated).await;
    let skipped = inspected(&coordinator, "order-1").await.skipped;
    assert_eq!(skipped.len(), 1);
}

#[tokio::test]
async fn an_input_that_can_not_be_read() {
    let shop = Shop::default();
    let events = [compensatable("order")];
    let journal = found("sell", "{\"price\":3}", &events, Ended::Orderly).await;
    let coordinator = started(&shop, journal).await;
    undoes(&coordinator, State::Compensated).await;
    assert_eq!(shop.asked(), ["cancel"]);
}

/// Nothing tells which step the killed process had requested.
#[tokio::test]
async fn a_step_that_may_have_been_requested_is_not_guessed_away() {
    let shop = Shop::default();
    let events = [compensatable("charge"), compensatable("order")];
    let journal = found("sell", INPUT, &events, Ended::Killed).await;
    let coordinator = started(&shop, journal).await;
    undoes(&coordinator, State::Stuck).await;
    assert_eq!(shop.asked(), ["cancel", "refund"]);
    assert_eq!(left(&coordinator).await, ["?"]);
    let resolved = coordinator.resolve_compensation("order-1", "?", "the courier knows nothing");
    resolved.await.expect("it is stuck");
    settles(&coordinator, State::Compensated).await;
}

#[tokio::test]
async fn a_step_in_doubt_is_left_to_the_operator() {
    let shop = Shop::default();
    let events = [
        compensatable("order"),
        Event::StepInDoubt {
            step: call("charge", Kind::Compensatable),
            attempts: 3,
            reason: Reason::new("timed_out", "no answer within 1s"),
        },
    ];
    let journal = found("refund", "{}", &events, Ended::Orderly).await;
    let coordinator = started(&shop, journal).await;
    let undone = coordinator.compensate("order-1", WHY).await;
    assert_eq!(undone.expect("it is not registered"), Effect::Done);
    settles(&coordinator, State::Stuck).await;
    assert_eq!(shop.asked(), ["cancel"]);
    assert_eq!(left(&coordinator).await, ["charge"]);
    let resolved = coordinator.resolve_compensation("order-1", "charge", "no money was taken");
    resolved.await.expect("it is stuck");
    settles(&coordinator, State::Compensated).await;
}

#[tokio::test]
async fn a_pivot_in_doubt_can_not_count_as_done_once_the_saga_is_undone() {
    let shop = Shop::default();
    let (attempts, pivot) = (2, call("ship", Kind::Pivot));
    let events = [
        compensatable("order"),
        compensatable("charge"),
        Event::StepInDoubt {
            step: pivot.clone(),
            attempts,
            reason: Reason::new("timed_out", "no answer within 1s"),
        },
        Event::StepSettled {
            step: pivot,
            settled: Settled::Unresolved {
                attempts,
                message: "no answer within 1s".to_owned(),
            },
        },
        Event::Stuck {
            reason: Reason::new("pivot_in_doubt", "no answer within 1s"),
        },
    ];
    let journal = found("sell", INPUT, &events, Ended::Orderly).await;
    let coordinator = started(&shop, journal).await;
    undoes(&coordinator, State::Stuck).await;
    assert_eq!(shop.asked(), ["refund", "cancel"]);
    let completed = coordinator.complete_step("order-1", "ship", &"ship", "it was shipped");
    match completed.await {
        Err(error @ OperatorError::GoesBack { .. }) => {
            assert!(error.to_string().contains("`skip_compensation`"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    let skipped = coordinator.skip_compensation("order-1", "ship", "it was shipped");
    skipped.await.expect("its effect stays");
    settles(&coordinator, State::Stuck).await;
    let resolved = coordinator.resolve_compensation("order-1", "?", "nothing else was asked for");
    resolved.await.expect("it is stuck");
    settles(&coordinator, State::Compensated).await;
    assert_eq!(inspected(&coordinator, "order-1").await.skipped.len(), 1);
}

#[tokio::test]
async fn a_history_that_can_be_read_in_part() {
    let shop = Shop::default();
    let events = [
        compensatable("order"),
        // It can't follow.
        compensatable("order"),
        compensatable("charge"),
    ];
    let journal = found("sell", INPUT, &events, Ended::Orderly).await;
    let coordinator = started(&shop, journal).await;
    undoes(&coordinator, State::Stuck).await;
    assert_eq!(shop.asked(), ["refund", "cancel"]);
    assert_eq!(left(&coordinator).await, ["?"]);
    let skipped = coordinator.skip_compensation("order-1", "?", "the backup has no more of it");
    skipped.await.expect("it is stuck");
    settles(&coordinator, State::Compensated).await;
    match coordinator.execute("order-1", Sell { amount: 3 }).await {
        Err(ExecuteError::Failed(error)) => assert!(!error.is_compensated(), "{error}"),
        other => panic!("{other:?}"),
    }
}

fn alone() -> Builder<Shop> {
    Coordinator::builder(Shop::default())
}

#[tokio::test]
async fn a_saga_that_is_not_registered_is_undone_by_the_steps_of_others_or_by_steps_of_its_own() {
    let events = [compensatable("order"), compensatable("charge")];
    let with_a_saga = |shop: &Shop| builder(shop);
    let with_its_steps = |shop: &Shop| {
        Coordinator::builder(shop.clone())
            .register_step(order)
            .register_step(charge)
    };
    for builder in [with_a_saga as fn(&Shop) -> Builder<Shop>, with_its_steps] {
        let shop = Shop::default();
        let journal = found("sell_2", "{}", &events, Ended::Orderly).await;
        let coordinator = builder(&shop).journal(journal).start().await;
        let coordinator = coordinator.expect("the journal works");
        let undone = coordinator.compensate("order-1", WHY).await;
        assert_eq!(undone.expect("it is not registered"), Effect::Done);
        settles(&coordinator, State::Compensated).await;
        assert_eq!(shop.asked(), ["refund", "cancel"]);
    }
    let journal = found("sell_2", "{}", &events, Ended::Orderly).await;
    let coordinator = alone().journal(journal).start().await;
    let coordinator = coordinator.expect("the journal works");
    coordinator
        .compensate("order-1", WHY)
        .await
        .expect("it is not registered");
    settles(&coordinator, State::Stuck).await;
    assert_eq!(left(&coordinator).await, ["charge", "order"]);
}

mod other {
    use super::{Context, Refused, Shop, saga, step};

    #[step(compensate = keep)]
    async fn charge(_: Context<'_, Shop>) -> Result<u64, Refused> {
        Ok(17)
    }

    async fn keep(cx: Context<'_, Shop>, _: &u64) -> Result<(), Refused> {
        cx.note("keep");
        Ok(())
    }

    saga!(
        pub(super) async fn other(cx: Context<'_, Shop>) -> Result<(), Refused> {
            charge(cx).await?;
            Ok(())
        }
    );
}

/// Each saga knows its own steps. Of an unknown saga nothing tells which of two steps it has called.
#[tokio::test]
async fn a_name_of_two_steps_stands_for_neither() {
    let events = [compensatable("charge"), compensatable("order")];
    for (name, asked, open) in [
        ("sell", &["cancel", "refund"][..], None),
        ("sell_2", &["cancel"], Some("charge")),
    ] {
        let shop = Shop::default();
        let journal = found(name, INPUT, &events, Ended::Orderly).await;
        let builder = builder(&shop).register::<other::Other>();
        let coordinator = builder.journal(journal).start().await;
        let coordinator = coordinator.expect("the journal works");
        if name == "sell" {
            becomes(&coordinator, "order-1", State::Stuck).await;
        }
        coordinator
            .compensate("order-1", WHY)
            .await
            .expect("it does not go on");
        let end = open.map_or(State::Compensated, |_| State::Stuck);
        settles(&coordinator, end).await;
        assert_eq!(shop.asked(), asked);
        if let Some(open) = open {
            assert_eq!(left(&coordinator).await, [open]);
        }
    }
}

#[tokio::test]
async fn what_goes_on_by_itself_or_only_goes_forward_is_not_undone() {
    let events = [
        compensatable("order"),
        compensatable("charge"),
        done("ship", Kind::Pivot),
        done("report", Kind::Retriable),
    ];
    let journal = found("sell", INPUT, &events, Ended::Orderly).await;
    let coordinator = started(&Shop::default(), journal).await;
    becomes(&coordinator, "order-1", State::Stuck).await;
    let refused = coordinator.compensate("order-1", WHY).await;
    assert!(
        matches!(refused, Err(OperatorError::PastPivot)),
        "{refused:?}"
    );
    let shop = Shop::default().always("charge", Answer::Never);
    let coordinator = started(&shop, Memory::new()).await;
    drop(coordinator.submit("order-1", Sell { amount: 3 }).await);
    shop.is_asked("charge").await;
    let refused = coordinator.compensate("order-1", WHY).await;
    assert!(
        matches!(refused, Err(OperatorError::NotStuck(State::Running))),
        "{refused:?}"
    );
    let refused = coordinator.compensate("order-2", WHY).await;
    assert!(
        matches!(refused, Err(OperatorError::Unknown)),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_compensation_that_fails_is_retried_by_its_policy_and_by_the_operator() {
    let events = [compensatable("charge"), compensatable("order")];
    let shop = Shop::default().always("cancel", Answer::Refuses);
    let journal = found("sell", INPUT, &events, Ended::Orderly).await;
    let coordinator = started(&shop, journal).await;
    undoes(&coordinator, State::Stuck).await;
    assert_eq!(shop.asked(), ["cancel", "cancel", "refund"]);
    shop.behaves();
    let retried = coordinator.retry("order-1", "the desk is open again").await;
    retried.expect("it is stuck");
    settles(&coordinator, State::Compensated).await;
    assert_eq!(shop.asked(), ["cancel", "cancel", "refund", "cancel"]);
}

#[tokio::test]
async fn a_saga_that_halts_halts_here_as_well() {
    let events = [compensatable("charge"), compensatable("order")];
    let shop = Shop::default().always("cancel", Answer::Refuses);
    let journal = found("sell_and_halt", "{}", &events, Ended::Orderly).await;
    let coordinator = started(&shop, journal).await;
    undoes(&coordinator, State::Stuck).await;
    assert_eq!(shop.asked(), ["cancel", "cancel"]);
    let resolved = coordinator.resolve_compensation("order-1", "order", "by mail");
    resolved.await.expect("it is stuck");
    settles(&coordinator, State::Compensated).await;
    assert_eq!(shop.asked(), ["cancel", "cancel", "refund"]);
}

/// The decision is one entry: from any point after it the next process goes on.
#[tokio::test]
async fn the_next_process_goes_on_from_every_point_after_the_decision() {
    let events = [compensatable("charge"), compensatable("order")];
    let shop = Shop::default();
    let journal = found("sell", INPUT, &events, Ended::Orderly).await;
    let coordinator = started(&shop, journal).await;
    undoes(&coordinator, State::Compensated).await;
    let whole = inspected(&coordinator, "order-1").await.entries;
    let whole: Vec<_> = whole.into_iter().map(|entry| entry.event).collect();
    let names: Vec<_> = whole.iter().map(Event::name).collect();
    let expected = [
        "step_done",
        "step_done",
        "stuck",
        "compensating",
        "compensation_done",
        "compensation_done",
        "compensated",
    ];
    assert_eq!(names, expected);
    for length in 4..whole.len() {
        let again = Shop::default();
        let journal = found("sell", INPUT, &whole[..length], Ended::Killed).await;
        let coordinator = started(&again, journal).await;
        becomes(&coordinator, "order-1", State::Compensated).await;
        assert_eq!(again.asked(), shop.asked()[length - 4..], "{length}");
    }
}

const APPROVED: EventName<u64> = EventName::new("approved");

#[step(compensate = unmark)]
async fn mark(cx: Context<'_, Shop>, number: u64) -> Result<u64, Refused> {
    cx.note(&format!("mark {}", cx.idempotency_key()));
    Ok(number)
}

async fn unmark(cx: Context<'_, Shop>, number: &u64) -> Result<(), Refused> {
    let key = cx.idempotency_key();
    cx.note(&format!("unmark {number} {} {key}", cx.action_key()));
    Ok(())
}

#[step(compensate = ())]
async fn look(_: Context<'_, Shop>) -> Result<(), Refused> {
    Ok(())
}

saga!(
    #[saga(compensatable)]
    async fn pack(cx: Context<'_, Shop>, first: u64) -> Result<(), Refused> {
        mark(cx, first).await?;
        mark(cx, first + 1).await?;
        Ok(())
    }
);

saga!(
    #[derive(Clone)]
    async fn travel(cx: Context<'_, Shop>) -> Result<(), Refused> {
        mark(cx, 1).await?;
        for number in 2..4 {
            mark(cx, number).await?;
        }
        pack(cx, 10).await?;
        look(cx).await?;
        pack(cx, 20).await?;
        try_join!(mark(cx, 4), pack(cx, 30), order(cx))?;
        try_join_all(None, 5..8, |number| mark(cx, number)).await?;
        event(cx, APPROVED).await;
        thank(cx).await?;
        Ok(())
    }
);

mod changed {
    use super::{Context, Refused, Shop, saga};

    saga!(
        #[saga(name = "travel")]
        pub(super) async fn changed(cx: Context<'_, Shop>) -> Result<(), Refused> {
            crate::shop::charge(cx).await?;
            Ok(())
        }
    );
}

/// Starts the saga and returns when it waits, with its requests so far.
async fn travels(shop: &Shop, journal: impl Journal) -> (Coordinator<Shop>, usize) {
    let builder = builder(shop).register::<Travel>().patience(Duration::ZERO);
    let coordinator = builder.journal(journal).start().await;
    let coordinator = coordinator.expect("the journal works");
    drop(coordinator.submit("order-1", Travel {}).await);
    becomes(&coordinator, "order-1", State::Waiting).await;
    (coordinator, shop.asked().len())
}

/// The same requests, under the same keys, as if the body had led the way.
#[tokio::test]
async fn loops_sub_sagas_groups_and_fan_outs_are_undone_as_their_body_undoes_them() {
    let shop = Shop::default();
    let (coordinator, forward) = travels(&shop, Memory::new()).await;
    coordinator.cancel("order-1", WHY).await.expect("it waits");
    becomes(&coordinator, "order-1", State::Compensated).await;
    let mut by_body = shop.asked()[forward..].to_vec();

    let shop = Shop::default();
    let journal = Memory::new();
    let (coordinator, forward) = travels(&shop, journal.clone()).await;
    coordinator.shutdown().await;
    let builder = builder(&shop)
        .register::<changed::Changed>()
        .register::<Pack>()
        .register_step(mark);
    let coordinator = builder.journal(journal).start().await;
    let coordinator = coordinator.expect("the journal works");
    let sent = coordinator.send("order-1", APPROVED, &1).await;
    sent.expect("it waits for that");
    undoes(&coordinator, State::Compensated).await;
    let mut by_record = shop.asked()[forward..].to_vec();
    assert_eq!(by_record.len(), 14, "{by_record:?}");
    // Outside of groups the order is the same as well.
    assert_eq!(
        by_record[by_record.len() - 7..],
        by_body[by_body.len() - 7..]
    );
    by_body.sort();
    by_record.sort();
    assert_eq!(by_record, by_body);
}
