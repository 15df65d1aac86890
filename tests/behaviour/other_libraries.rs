//! Mistakes that other libraries, their samples and their guides make, and that can't be made here.

use std::time::Duration;

use saga_runtime::{Cause, Context, saga, step};
use tokio::time::advance;

use crate::participant::{Answer, Effect, Participant, Refusal, act, read, resolve, undo};

#[step(compensate = cancel_flight)]
async fn book_flight(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "flight").await
}

async fn cancel_flight(cx: Context<'_, Participant>, flight: &Effect) -> Result<(), Refusal> {
    undo(cx, "flight", flight).await
}

/// Takes the same as `cancel_flight`, and is no compensation.
#[step(compensate = ())]
async fn confirm_flight(cx: Context<'_, Participant>, flight: &Effect) -> Result<(), Refusal> {
    read(cx, &format!("confirm {}", flight.what)).await
}

#[step(
    compensate = cancel_hotel,
    timeout = "1s",
    retry(attempts = 3, when = Refusal::is_busy),
    in_doubt(when = Refusal::is_unclear)
)]
async fn book_hotel(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "hotel").await
}

async fn cancel_hotel(cx: Context<'_, Participant>, hotel: &Effect) -> Result<(), Refusal> {
    undo(cx, "hotel", hotel).await
}

/// A charge that is known by its id, which only the answer tells.
#[step(compensate = refund, timeout = "1s")]
async fn charge(cx: Context<'_, Participant>, cents: u32) -> Result<(u32, Effect), Refusal> {
    Ok((cents * 100, act(cx, "charge").await?))
}

async fn refund(
    cx: Context<'_, Participant>,
    (id, charged): &(u32, Effect),
) -> Result<(), Refusal> {
    assert_eq!(*id, 700, "the id of the charge, not the amount");
    undo(cx, "charge", charged).await
}

#[step(compensate = ())]
async fn finish(cx: Context<'_, Participant>) -> Result<(), Refusal> {
    read(cx, "finish").await
}

saga!(
    async fn travel(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        let flight = book_flight(cx).await?;
        book_hotel(cx).await?;
        charge(cx, 7).await?;
        confirm_flight(cx, &flight).await?;
        finish(cx).await?;
        Ok(())
    }
);

fn nothing() -> Vec<String> {
    Vec::new()
}

/// durare, `examples/saga.rs`: the hotel fails and the flight stays booked.
#[tokio::test]
async fn a_flight_does_not_stay_booked_when_the_hotel_is_refused() {
    let participant = Participant::new().answers("hotel", [Answer::Refused]);
    participant.run(Travel {}).await.expect_err("no hotel");
    assert_eq!(participant.asked(), ["flight", "hotel", "undo flight"]);
    assert_eq!(participant.left(), nothing());
}

/// durare: after a cancel no step, so no undo, can run. Temporal, sdk-java#305: sagas do not compensate on cancel.
#[tokio::test]
async fn a_saga_that_is_cancelled_is_undone() {
    let participant = Participant::new().cancels_at("hotel", 1);
    let error = participant
        .run_cancellable(Travel {})
        .await
        .expect_err("it is cancelled");
    assert!(error.is_compensated());
    assert_eq!(participant.left(), nothing());
}

/// duroxide's order guide: partial reservations leak when one fails.
#[tokio::test]
async fn reservations_that_were_made_do_not_leak_when_the_next_is_refused() {
    let answers = [Answer::Done, Answer::Done, Answer::Refused];
    let participant = Participant::new().answers("item", answers);
    participant
        .run(ReserveThree {})
        .await
        .expect_err("sold out");
    assert_eq!(
        participant.asked(),
        ["item", "item", "item", "undo item", "undo item"]
    );
    assert_eq!(participant.left(), nothing());
}

#[step(compensate = free_item)]
async fn reserve_item(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "item").await
}

async fn free_item(cx: Context<'_, Participant>, item: &Effect) -> Result<(), Refusal> {
    undo(cx, "item", item).await
}

saga!(
    async fn reserve_three(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve_item(cx).await?;
        reserve_item(cx).await?;
        reserve_item(cx).await?;
        Ok(())
    }
);

/// duroxide's order guide: a failure after the charge refunds nothing. changeset-saga: a compensation sees the input and
/// not the output, so there is no id to refund.
#[tokio::test]
async fn a_failure_after_the_charge_refunds_it_by_the_id_of_the_charge() {
    let participant = Participant::new().answers("finish", [Answer::Refused]);
    let error = participant.run(Travel {}).await.expect_err("no finish");
    assert!(error.is_compensated());
    assert_eq!(participant.requests("undo charge").len(), 1);
    assert_eq!(participant.left(), nothing());
}

/// Restate's guide in Java: compensations run first to last.
#[tokio::test]
async fn compensations_run_last_to_first() {
    let participant = Participant::new().answers("finish", [Answer::Refused]);
    participant.run(Travel {}).await.expect_err("no finish");
    assert_eq!(
        participant.asked()[5..],
        ["undo charge", "undo hotel", "undo flight"]
    );
}

/// Restate's guide in Kotlin: `confirmFlight` is registered as a compensation.
#[tokio::test]
async fn what_is_no_compensation_does_not_run_as_one() {
    let participant = Participant::new().answers("finish", [Answer::Refused]);
    participant.run(Travel {}).await.expect_err("no finish");
    assert_eq!(participant.requests("confirm flight").len(), 1);
    let shape = Travel::shape();
    let compensations: Vec<_> = shape.steps().map(|step| step.compensation).collect();
    let (flight, hotel, refund) = (Some("cancel_flight"), Some("cancel_hotel"), Some("refund"));
    assert_eq!(compensations, [flight, hotel, refund, None, None]);
}

/// Restate's guide in Go: the original error is lost. Temporal: `continueWithError` swallows; the Rust sample prints
/// failed compensations and forgets them.
#[tokio::test(start_paused = true)]
async fn neither_the_original_error_nor_those_of_compensations_are_lost() {
    let participant = Participant::new()
        .answers("finish", [Answer::Refused])
        .always("undo charge", Answer::Refused)
        .always("undo flight", Answer::Panics);
    let error = participant.run(Travel {}).await.expect_err("no finish");
    assert_eq!(*error.cause(), Cause::Error(Refusal::refused("finish")));
    let failed: Vec<_> = error
        .compensation_failures()
        .map(|(one, _)| &*one.step)
        .collect();
    assert_eq!(failed, ["charge", "book_flight"]);
    assert_eq!(participant.left(), ["flight", "charge"]);
}

/// steno#26: an undo that fails is stuck for ever.
#[tokio::test(start_paused = true)]
async fn a_compensation_that_always_fails_does_not_keep_the_saga_for_ever() {
    let participant = Participant::new()
        .answers("finish", [Answer::Refused])
        .always("undo hotel", Answer::Refused);
    let error = participant.run(Travel {}).await.expect_err("no finish");
    assert_eq!(participant.requests("undo hotel").len(), 5);
    assert!(!error.is_compensated());
    assert_eq!(participant.left(), ["hotel"], "the others are undone");
}

/// steno#66: an error after an earlier attempt took effect leaks that effect.
#[tokio::test(start_paused = true)]
async fn an_error_after_an_attempt_that_took_effect_leaks_nothing() {
    for (first, last) in [
        (Answer::SilentButDone, Answer::Unclear),
        (Answer::PanicsButDone, Answer::Unclear),
        (Answer::UnclearButDone, Answer::Panics),
    ] {
        let participant = Participant::new().answers("hotel", [first, last]);
        let error = participant.run(Travel {}).await.expect_err("no hotel");
        assert!(error.is_compensated(), "{error}");
        assert_eq!(participant.left(), nothing(), "{first:?}, {last:?}");
    }
}

/// omicron#5947: one bad saga stops the others.
#[tokio::test(start_paused = true)]
async fn one_bad_saga_stops_no_other() {
    let participant = Participant::new();
    let bad = Participant::new()
        .always("hotel", Answer::Panics)
        .always("undo flight", Answer::Panics);
    let (one, two, three) = tokio::join!(
        participant.run(Travel {}),
        bad.run(Travel {}),
        participant.run(ReserveThree {}),
    );
    one.expect("nothing fails");
    two.expect_err("everything fails");
    three.expect("nothing fails");
}

/// Eventuate Tram, PR 103: the predicate of a compensation is dropped in one overload.
#[tokio::test(start_paused = true)]
async fn a_predicate_counts_in_every_form_in_which_it_can_be_written() {
    for (step, resolved) in [("hotel", false), ("taxi", true)] {
        for (answer, retried, doubted) in [
            (Answer::Refused, false, false),
            (Answer::Busy, true, false),
            (Answer::Unclear, false, true),
        ] {
            let participant = Participant::new().answers(step, [answer]);
            let ended = participant.run(Ride {}).await;
            let place = format!("{step} {answer:?}");
            assert_eq!(ended.is_ok(), retried, "{place}");
            let asked = 1 + usize::from(retried || (doubted && !resolved));
            assert_eq!(participant.requests(step).len(), asked, "{place}");
            let resolutions = participant.requests("resolve taxi").len();
            assert_eq!(resolutions, usize::from(doubted && resolved), "{place}");
        }
    }
}

#[step(
    compensate = cancel_taxi,
    retry(when = Refusal::is_busy),
    in_doubt(when = Refusal::is_unclear, resolve = resolve_taxi)
)]
async fn call_taxi(cx: Context<'_, Participant>, from: &str, to: &str) -> Result<Effect, Refusal> {
    assert_eq!((from, to), ("station", "hotel"));
    act(cx, "taxi").await
}

async fn cancel_taxi(cx: Context<'_, Participant>, taxi: &Effect) -> Result<(), Refusal> {
    undo(cx, "taxi", taxi).await
}

async fn resolve_taxi(cx: Context<'_, Participant>, from: &str, to: &str) -> Result<(), Refusal> {
    assert_eq!((from, to), ("station", "hotel"));
    resolve(cx, "taxi").await
}

saga!(
    async fn ride(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        book_hotel(cx).await?;
        let (to, from) = ("hotel", "station");
        call_taxi(cx, from, to).await?;
        Ok(())
    }
);

/// `MassTransit`: arguments are matched by the names of properties.
#[tokio::test(start_paused = true)]
async fn arguments_of_one_type_keep_their_places_in_every_attempt_and_in_the_resolver() {
    let answers = [Answer::Busy, Answer::Panics, Answer::Unclear];
    let participant = Participant::new().answers("taxi", answers);
    let error = participant.run(Ride {}).await.expect_err("no taxi");
    // The assertions in the step and its resolver hold, or they would panic and be attempted five times.
    assert_eq!(participant.requests("taxi").len(), 3);
    assert_eq!(participant.requests("resolve taxi").len(), 1);
    assert!(error.is_compensated());
}

/// medusa#16681: a retry made a new idempotency key; the customer was refunded twice.
#[tokio::test(start_paused = true)]
async fn a_refund_that_is_retried_has_one_key() {
    let participant = Participant::new()
        .answers("finish", [Answer::Refused])
        .answers(
            "undo charge",
            [Answer::UnclearButDone, Answer::PanicsButDone],
        );
    participant.run(Travel {}).await.expect_err("no finish");
    let refunds = participant.requests("undo charge");
    assert_eq!(refunds.len(), 3);
    assert!(
        refunds
            .iter()
            .all(|one| one.key == "saga/charge/0/compensation")
    );
}

/// camunda#14920: compensation handlers all start at once, in no order.
#[tokio::test(start_paused = true)]
async fn compensations_do_not_start_at_once() {
    let participant = Participant::new().answers("finish", [Answer::Refused]);
    let hold = participant.holds("undo charge");
    let (ended, ()) = tokio::join!(participant.run(Travel {}), async {
        hold.arrived().await;
        advance(Duration::from_hours(1)).await;
        for what in ["undo hotel", "undo flight"] {
            assert_eq!(participant.requests(what), []);
        }
        hold.release();
    });
    ended.expect_err("no finish");
    assert_eq!(participant.left(), nothing());
}
