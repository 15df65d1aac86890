//! A saga that is cancelled: the current attempt ends, then what was done is undone. After the pivot it goes forward.

use std::time::Duration;

use saga_runtime::{Cause, Context, InProcess, SagaError, saga, step};
use tokio::time::{Instant, advance};
use tokio_util::sync::CancellationToken;

use crate::capability::{Capability, lacks};
use crate::engine;
use crate::participant::{Answer, Effect, Participant, Refusal, act, undo};
use crate::steps::{pay, reserve, ship, thank};

const MINUTE: Duration = Duration::from_mins(1);

#[step(
    compensate = undo_book,
    timeout = "10s",
    retry(attempts = 3, backoff = "2m..2m"),
    in_doubt(when = Refusal::is_unclear)
)]
async fn book(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "book").await
}

async fn undo_book(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "book", effect).await
}

saga!(
    async fn travelling(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        book(cx).await?;
        ship(cx).await?;
        thank(cx).await?;
        Ok(())
    }
);

/// Cancels its saga.
#[step(compensate = ())]
async fn change_ones_mind(cx: Context<'_, Participant>) -> Result<(), Refusal> {
    cx.cancellation.cancel();
    Ok(())
}

saga!(
    async fn changing_ones_mind(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        change_ones_mind(cx).await?;
        book(cx).await?;
        Ok(())
    }
);

saga!(
    async fn reserving_last(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        pay(cx).await?;
        reserve(cx).await?;
        Ok(())
    }
);

saga!(
    async fn thanking(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        thank(cx).await?;
        Ok(())
    }
);

/// Runs the saga and cancels it during the next request for `what`. That request ends before another one begins.
async fn cancelled_during(what: &str, participant: &Participant) -> Result<(), SagaError<Refusal>> {
    let hold = participant.holds(what);
    let (ended, ()) = tokio::join!(participant.run_cancellable(Travelling {}), async {
        hold.arrived().await;
        participant.cancellation.cancel();
        if engine::HEARS_LATER {
            participant.heard.cancelled().await;
        }
        let asked = participant.asked();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(participant.asked(), asked, "the attempt has not ended");
        hold.release();
    });
    ended
}

/// Runs the saga and cancels it half a minute after the attempt `number` of `book`, while it waits for the next one.
async fn cancelled_after_attempt(
    number: u32,
    participant: &Participant,
) -> Result<(), SagaError<Refusal>> {
    let (ended, ()) = tokio::join!(participant.run_cancellable(Travelling {}), async {
        for _ in 0..number {
            let hold = participant.holds("book");
            hold.arrived().await;
            hold.release();
        }
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        advance(MINUTE / 2).await;
        participant.cancellation.cancel();
    });
    ended
}

#[tokio::test(start_paused = true)]
async fn a_saga_that_is_cancelled_before_its_first_step_asks_for_nothing() {
    if lacks(Capability::CancelsAtOnce) {
        return;
    }
    let participant = Participant::new();
    participant.cancellation.cancel();
    let error = participant
        .run_cancellable(Travelling {})
        .await
        .expect_err("it is cancelled");
    assert_eq!(participant.asked(), Vec::<String>::new());
    assert_eq!(*error.cause(), Cause::Cancelled);
    assert!(error.is_compensated());
}

#[tokio::test(start_paused = true)]
async fn a_saga_that_is_cancelled_between_two_steps_does_not_begin_the_second() {
    if lacks(Capability::CancelsAtOnce) {
        return;
    }
    let participant = Participant::new();
    let error = participant
        .run_cancellable(ChangingOnesMind {})
        .await
        .expect_err("it is cancelled");
    assert_eq!(participant.asked(), ["reserve", "undo reserve"]);
    assert_eq!(*error.cause(), Cause::Cancelled);
    assert!(error.is_compensated());
}

#[tokio::test(start_paused = true)]
async fn an_attempt_ends_before_the_saga_that_is_cancelled_is_undone() {
    let participant = Participant::new();
    let error = cancelled_during("book", &participant)
        .await
        .expect_err("it is cancelled");
    assert_eq!(
        participant.asked(),
        ["reserve", "book", "undo book", "undo reserve"]
    );
    assert_eq!(*error.cause(), Cause::Cancelled);
    assert!(error.is_compensated());
    assert_eq!(participant.left(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_refused_while_the_saga_is_cancelled_is_not_made_again_nor_undone() {
    let participant = Participant::new().answers("book", [Answer::Refused]);
    let error = cancelled_during("book", &participant)
        .await
        .expect_err("it is cancelled");
    assert_eq!(participant.asked(), ["reserve", "book", "undo reserve"]);
    assert_eq!(*error.cause(), Cause::Cancelled);
    assert!(error.is_compensated());
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_ends_in_doubt_while_the_saga_is_cancelled_is_settled_first() {
    for doubt in [
        Answer::UnclearButDone,
        Answer::SilentButDone,
        Answer::PanicsButDone,
    ] {
        let participant = Participant::new().answers("book", [doubt]);
        let error = cancelled_during("book", &participant)
            .await
            .expect_err("it is cancelled");
        assert_eq!(
            participant.asked(),
            ["reserve", "book", "book", "undo book", "undo reserve"],
            "{doubt:?}"
        );
        assert!(error.is_compensated());
        assert_eq!(participant.left(), Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_a_retry_ends_at_once_when_the_saga_is_cancelled() {
    let participant = Participant::new().answers("book", [Answer::Refused]);
    let began = Instant::now();
    let error = cancelled_after_attempt(1, &participant)
        .await
        .expect_err("it is cancelled");
    assert_eq!(began.elapsed(), MINUTE / 2, "the wait is at least a minute");
    assert_eq!(participant.asked(), ["reserve", "book", "undo reserve"]);
    assert_eq!(*error.cause(), Cause::Cancelled);
    assert_eq!(error.step(), Some("book"));
}

#[tokio::test(start_paused = true)]
async fn a_step_in_doubt_that_waits_for_a_retry_is_settled_when_the_saga_is_cancelled() {
    let participant = Participant::new().answers("book", [Answer::UnclearButDone]);
    let error = cancelled_after_attempt(1, &participant)
        .await
        .expect_err("it is cancelled");
    assert_eq!(
        participant.asked(),
        ["reserve", "book", "book", "undo book", "undo reserve"]
    );
    assert_eq!(*error.cause(), Cause::Cancelled);
    assert!(error.is_compensated());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_after_an_attempt_in_doubt_is_believed_when_the_saga_is_cancelled() {
    if lacks(Capability::TheClockOfTheTest) {
        return;
    }
    let answers = [Answer::Unclear, Answer::Refused];
    let participant = Participant::new().answers("book", answers);
    let error = cancelled_after_attempt(2, &participant)
        .await
        .expect_err("it is cancelled");
    assert_eq!(
        participant.asked(),
        ["reserve", "book", "book", "undo reserve"]
    );
    assert_eq!(*error.cause(), Cause::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn a_saga_that_is_cancelled_during_its_last_step_is_undone() {
    let participant = Participant::new().cancels_at("reserve", 1);
    let error = participant
        .run_cancellable(ReservingLast {})
        .await
        .expect_err("it is cancelled, and there is no pivot");
    assert_eq!(
        participant.asked(),
        ["pay", "reserve", "undo reserve", "undo pay"]
    );
    assert_eq!(*error.cause(), Cause::Cancelled);
    assert!(error.is_compensated());
}

#[tokio::test(start_paused = true)]
async fn a_saga_that_is_cancelled_during_its_pivot_goes_forward_if_the_pivot_succeeds() {
    let participant = Participant::new();
    cancelled_during("ship", &participant)
        .await
        .expect("the pivot has succeeded");
    assert_eq!(participant.left(), ["reserve", "book", "ship", "thank"]);
}

#[tokio::test(start_paused = true)]
async fn a_saga_that_is_cancelled_during_its_pivot_is_undone_if_the_pivot_is_refused() {
    let participant = Participant::new().answers("ship", [Answer::Refused]);
    let error = cancelled_during("ship", &participant)
        .await
        .expect_err("the pivot is refused");
    assert_eq!(
        participant.asked(),
        ["reserve", "book", "ship", "undo book", "undo reserve"]
    );
    assert!(error.is_compensated());
}

#[tokio::test(start_paused = true)]
async fn a_pivot_in_doubt_is_asked_again_even_if_the_saga_is_cancelled() {
    let participant = Participant::new().answers("ship", [Answer::PanicsButDone]);
    cancelled_during("ship", &participant)
        .await
        .expect("the pivot was done");
    assert_eq!(
        participant.asked(),
        ["reserve", "book", "ship", "ship", "thank"]
    );
}

#[tokio::test(start_paused = true)]
async fn after_the_pivot_cancelling_has_no_effect() {
    let participant = Participant::new().answers("thank", [Answer::Refused; 3]);
    cancelled_during("thank", &participant)
        .await
        .expect("the saga only goes forward");
    assert_eq!(participant.requests("thank").len(), 4);
    assert_eq!(participant.left(), ["reserve", "book", "ship", "thank"]);
}

#[tokio::test(start_paused = true)]
async fn cancelling_has_no_effect_once_a_retriable_step_is_under_way() {
    let participant = Participant::new().answers("thank", [Answer::Refused; 3]);
    let hold = participant.holds("thank");
    let (ended, ()) = tokio::join!(participant.run_cancellable(Thanking {}), async {
        hold.arrived().await;
        participant.cancellation.cancel();
        hold.release();
    });
    ended.expect("a retriable step never makes the saga fail");
    assert_eq!(participant.left(), ["reserve", "thank"]);
}

#[tokio::test(start_paused = true)]
async fn cancelling_has_no_effect_on_compensations() {
    let participant = Participant::new()
        .answers("ship", [Answer::Refused])
        .answers("undo book", [Answer::Busy; 4])
        .answers("undo reserve", [Answer::Busy; 4]);
    let error = cancelled_during("undo book", &participant)
        .await
        .expect_err("`ship` is refused");
    assert_eq!(participant.requests("undo book").len(), 5);
    assert_eq!(participant.requests("undo reserve").len(), 5);
    assert!(error.is_compensated());
    assert_eq!(
        *error.cause(),
        Cause::Error(Refusal::refused("ship")),
        "it had failed before it was cancelled"
    );
}

#[tokio::test(start_paused = true)]
async fn cancelling_one_saga_leaves_those_with_other_tokens_alone() {
    let participant = Participant::new();
    let (one, other) = (CancellationToken::new(), CancellationToken::new());
    one.cancel();
    let run = |token: &CancellationToken| {
        InProcess::new(&participant)
            .cancelled_by(token.clone())
            .execute(Travelling {})
    };
    run(&one).await.expect_err("it is cancelled");
    run(&other).await.expect("this one is not cancelled");
    assert_eq!(participant.left(), ["reserve", "book", "ship", "thank"]);
}

saga!(
    #[saga(deadline = "10s")]
    async fn hurrying(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        book(cx).await?;
        ship(cx).await?;
        Ok(())
    }
);

#[tokio::test(start_paused = true)]
async fn whichever_comes_first_ends_the_saga_a_cancellation_or_its_deadline() {
    if lacks(Capability::TheClockOfTheTest) || lacks(Capability::CancelsAtOnce) {
        return;
    }
    let participant = Participant::new().answers("book", [Answer::Refused]);
    let (ended, ()) = tokio::join!(participant.run_cancellable(Hurrying {}), async {
        advance(Duration::from_secs(5)).await;
        participant.cancellation.cancel();
    });
    let error = ended.expect_err("it is cancelled");
    assert_eq!(*error.cause(), Cause::Cancelled);

    let participant = Participant::new().answers("book", [Answer::Refused]);
    let (ended, ()) = tokio::join!(participant.run_cancellable(Hurrying {}), async {
        advance(Duration::from_secs(11)).await;
        tokio::task::yield_now().await;
        participant.cancellation.cancel();
    });
    let error = ended.expect_err("its deadline has passed");
    assert_eq!(*error.cause(), Cause::DeadlineExceeded);
}
