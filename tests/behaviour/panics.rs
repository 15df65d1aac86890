//! Panics in steps, in compensations and in the body of a saga: each is an outcome.

mod body;

use std::panic::panic_any;

use saga_runtime::{Cause, Context, saga, step};
use serde::{Deserialize, Serialize};

use crate::participant::{Answer, Effect, Participant, Refusal, act, resolve, undo};
use crate::steps::{pay, reserve};

/// The payload of a panic, and its moment.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Breaking {
    WithAText,
    WithAString,
    WithANumber,
    LaterOn,
}

#[step(compensate = ())]
async fn break_down(_cx: Context<'_, Participant>, how: Breaking) -> Result<(), Refusal> {
    match how {
        Breaking::WithAText => panic!("out of paper"),
        Breaking::WithAString => panic!("out of {}", "ink"),
        Breaking::WithANumber => panic_any(404),
        Breaking::LaterOn => {
            tokio::task::yield_now().await;
            panic!("out of time");
        }
    }
}

saga!(
    async fn handing_over(cx: Context<'_, Participant>, how: Breaking) -> Result<(), Refusal> {
        reserve(cx).await?;
        break_down(cx, how).await?;
        Ok(())
    }
);

#[step(compensate = undo_lend)]
async fn lend(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "lend").await
}

async fn undo_lend(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    assert!(cx.attempt() > 2, "not yet");
    undo(cx, "lend", effect).await
}

/// No `async fn`, so it panics before there is a future.
fn undo_rent(
    cx: Context<'_, Participant>,
    effect: &Effect,
) -> impl Future<Output = Result<(), Refusal>> + Send {
    assert!(cx.attempt() > 2, "not yet");
    async move { undo(cx, "rent", effect).await }
}

#[step(compensate = undo_rent)]
async fn rent(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "rent").await
}

saga!(
    async fn borrowing(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        lend(cx).await?;
        rent(cx).await?;
        pay(cx).await?;
        Ok(())
    }
);

fn broken_predicate(_: &Refusal) -> bool {
    panic!("an unexpected error");
}

#[step(
    compensate = undo_gamble,
    retry(attempts = 3, when = broken_predicate),
    in_doubt(when = broken_predicate)
)]
async fn gamble(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "gamble").await
}

async fn undo_gamble(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "gamble", effect).await
}

saga!(
    async fn gambling(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        gamble(cx).await?;
        Ok(())
    }
);

/// No `async fn`, so it panics before there is a future.
fn resolve_throw(cx: Context<'_, Participant>) -> impl Future<Output = Result<(), Refusal>> + Send {
    assert!(cx.attempt() > 2, "not yet");
    resolve(cx, "throw")
}

#[step(compensate = undo_throw, in_doubt(resolve = resolve_throw))]
async fn throw(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "throw").await
}

async fn undo_throw(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "throw", effect).await
}

saga!(
    async fn throwing(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        throw(cx).await?;
        Ok(())
    }
);

#[tokio::test]
async fn a_panic_in_a_step_is_its_outcome_whatever_it_panics_with() {
    for (how, message) in [
        (Breaking::WithAText, "out of paper"),
        (Breaking::WithAString, "out of ink"),
        (Breaking::WithANumber, "a value that is no text"),
        (Breaking::LaterOn, "out of time"),
    ] {
        let participant = Participant::new();
        let error = participant
            .run(HandingOver { how })
            .await
            .expect_err("`break_down` panics");
        let message = message.to_owned();
        assert_eq!(*error.cause(), Cause::Panicked { message });
        assert_eq!(error.step(), Some("break_down"));
        assert_eq!(participant.asked(), ["reserve", "undo reserve"]);
        assert!(error.is_compensated());
    }
}

#[tokio::test(start_paused = true)]
async fn a_compensation_that_panics_is_attempted_again_even_if_it_panics_before_its_first_await() {
    let participant = Participant::new().answers("pay", [Answer::Refused]);
    let error = participant
        .run(Borrowing {})
        .await
        .expect_err("`pay` is refused");
    assert!(error.is_compensated());
    for step in ["undo rent", "undo lend"] {
        let requests = participant.requests(step);
        let attempts: Vec<_> = requests.iter().map(|one| one.attempt).collect();
        assert_eq!(attempts, [3], "{step}: two attempts panicked");
    }
    assert_eq!(participant.left(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_panics_is_attempted_again_even_if_it_panics_before_its_first_await() {
    let participant = Participant::new().answers("throw", [Answer::PanicsButDone]);
    let error = participant
        .run(Throwing {})
        .await
        .expect_err("`throw` panics");
    assert!(error.is_compensated());
    let requests = participant.requests("resolve throw");
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].attempt, 3, "two attempts panicked");
    assert_eq!(participant.left(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_predicate_that_panics_leaves_the_step_in_doubt() {
    let participant = Participant::new().answers("gamble", [Answer::UnclearButDone]);
    let error = participant
        .run(Gambling {})
        .await
        .expect_err("`gamble` fails");
    assert_eq!(
        participant.asked(),
        ["reserve", "gamble", "gamble", "undo gamble", "undo reserve"]
    );
    assert_eq!(*error.cause(), Cause::Error(Refusal::unclear("gamble")));
    assert!(error.is_compensated());
}

#[tokio::test]
async fn a_panic_harms_no_saga_that_uses_the_same_services_later() {
    let participant = Participant::new();
    let how = Breaking::WithAText;
    participant
        .run(HandingOver { how })
        .await
        .expect_err("`break_down` panics");
    participant
        .run(Borrowing {})
        .await
        .expect("nothing is left of the panics before");
    assert_eq!(participant.left(), ["reserve", "lend", "rent", "pay"]);
}
