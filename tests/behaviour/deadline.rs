//! A saga whose deadline passes before its pivot is undone, as if it were cancelled.

use std::time::Duration;

use saga_runtime::{Cause, Context, InProcess, SagaError, saga, step};
use tokio::time::{Instant, advance};

use crate::capability::{Capability, lacks};
use crate::participant::{Answer, Effect, Participant, Refusal, act, undo};
use crate::steps::{pay, reserve, ship, thank};

const SECOND: Duration = Duration::from_secs(1);

#[step(
    compensate = undo_book,
    retry(attempts = 3, backoff = "1m..1m"),
    in_doubt(when = Refusal::is_unclear)
)]
async fn book(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "book").await
}

async fn undo_book(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "book", effect).await
}

saga!(
    #[saga(deadline = "10s")]
    async fn hurrying(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        book(cx).await?;
        ship(cx).await?;
        thank(cx).await?;
        Ok(())
    }
);

saga!(
    #[saga(deadline = "10s")]
    async fn reserving_last(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        pay(cx).await?;
        reserve(cx).await?;
        Ok(())
    }
);

/// Runs the saga and lets twelve seconds pass during the next request for `what`.
async fn delayed_at(what: &str, participant: &Participant) -> Result<(), SagaError<Refusal>> {
    let hold = participant.holds(what);
    let (ended, ()) = tokio::join!(participant.run(Hurrying {}), async {
        hold.arrived().await;
        advance(12 * SECOND).await;
        let asked = participant.asked();
        tokio::task::yield_now().await;
        assert_eq!(participant.asked(), asked, "the attempt has not ended");
        hold.release();
    });
    ended
}

#[tokio::test(start_paused = true)]
async fn a_saga_that_is_in_time_completes() {
    let participant = Participant::new();
    let hold = participant.holds("book");
    let (ended, ()) = tokio::join!(participant.run(Hurrying {}), async {
        hold.arrived().await;
        advance(9 * SECOND).await;
        hold.release();
    });
    ended.expect("the deadline has not passed");
}

#[tokio::test(start_paused = true)]
async fn time_before_the_saga_starts_does_not_count() {
    let participant = Participant::new();
    let one = InProcess::new(&participant).execute(Hurrying {});
    let other = Hurrying {}.execute(&participant);
    advance(60 * SECOND).await;
    one.await.expect("it starts when it is polled");
    other.await.expect("it starts when it is polled");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_ends_before_the_saga_whose_deadline_has_passed_is_undone() {
    if lacks(Capability::TheClockOfTheTest) {
        return;
    }
    let participant = Participant::new();
    let error = delayed_at("book", &participant)
        .await
        .expect_err("the deadline has passed");
    assert_eq!(
        participant.asked(),
        ["reserve", "book", "undo book", "undo reserve"]
    );
    assert_eq!(*error.cause(), Cause::DeadlineExceeded);
    assert!(error.is_compensated());
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_a_retry_ends_when_the_deadline_passes() {
    if lacks(Capability::TheClockOfTheTest) {
        return;
    }
    let participant = Participant::new().answers("book", [Answer::Refused]);
    let began = Instant::now();
    let error = participant
        .run(Hurrying {})
        .await
        .expect_err("the deadline passes before the retry");
    let took = began.elapsed();
    assert!(
        took >= 10 * SECOND && took < 11 * SECOND,
        "{took:?}; the retry would have come after 30 seconds"
    );
    assert_eq!(participant.asked(), ["reserve", "book", "undo reserve"]);
    assert_eq!(*error.cause(), Cause::DeadlineExceeded);
    assert_eq!(error.step(), Some("book"));
}

#[tokio::test(start_paused = true)]
async fn a_step_in_doubt_that_waits_for_a_retry_is_settled_when_the_deadline_passes() {
    let answers = [Answer::UnclearButDone, Answer::Panics];
    let participant = Participant::new().answers("book", answers);
    let error = participant
        .run(Hurrying {})
        .await
        .expect_err("the deadline passes before the retry");
    // Two more requests, a minute apart: a step in doubt has no deadline.
    assert_eq!(
        participant.asked(),
        [
            "reserve",
            "book",
            "book",
            "book",
            "undo book",
            "undo reserve"
        ]
    );
    assert!(participant.waits("book")[1] >= 30 * SECOND);
    assert_eq!(*error.cause(), Cause::DeadlineExceeded);
    assert!(error.is_compensated());
}

#[tokio::test(start_paused = true)]
async fn a_saga_whose_deadline_passes_during_its_last_step_is_undone() {
    if lacks(Capability::TheClockOfTheTest) {
        return;
    }
    let participant = Participant::new();
    let hold = participant.holds("reserve");
    let (ended, ()) = tokio::join!(participant.run(ReservingLast {}), async {
        hold.arrived().await;
        advance(12 * SECOND).await;
        hold.release();
    });
    let error = ended.expect_err("the deadline has passed, and there is no pivot");
    assert_eq!(*error.cause(), Cause::DeadlineExceeded);
    assert_eq!(
        participant.asked(),
        ["pay", "reserve", "undo reserve", "undo pay"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_during_the_pivot_has_no_effect_if_the_pivot_succeeds() {
    let participant = Participant::new();
    delayed_at("ship", &participant)
        .await
        .expect("the pivot has succeeded");
    assert_eq!(participant.left(), ["reserve", "book", "ship", "thank"]);
}

#[tokio::test(start_paused = true)]
async fn after_the_pivot_the_deadline_has_no_effect() {
    if lacks(Capability::TheClockOfTheTest) {
        return;
    }
    let participant = Participant::new().answers("thank", [Answer::Refused; 20]);
    let began = Instant::now();
    participant
        .run(Hurrying {})
        .await
        .expect("the saga only goes forward");
    assert!(began.elapsed() > 60 * SECOND);
    assert_eq!(participant.requests("thank").len(), 21);
}

#[tokio::test(start_paused = true)]
async fn compensations_have_no_deadline() {
    let participant = Participant::new()
        .answers("ship", [Answer::Refused])
        .answers("undo reserve", [Answer::Busy; 4]);
    let error = delayed_at("undo book", &participant)
        .await
        .expect_err("`ship` is refused");
    assert_eq!(participant.requests("undo reserve").len(), 5);
    assert!(error.is_compensated());
    assert_eq!(*error.cause(), Cause::Error(Refusal::refused("ship")));
}
