//! An error that the author calls transient is no answer: attempts that end with one leave the step in doubt.

use saga_runtime::{Cause, Context, saga, step};

use crate::participant::{Answer, Effect, Participant, Refusal, act, resolve, undo};
use crate::steps::reserve;

/// The author says which errors are transient, and nothing of doubt.
#[step(
    compensate = undo_charge,
    retry(attempts = 3, backoff = "10ms..10ms", when = Refusal::is_busy)
)]
async fn charge(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "charge").await
}

async fn undo_charge(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "charge", effect).await
}

#[step(
    compensate = undo_book,
    retry(attempts = 3, backoff = "10ms..10ms", when = Refusal::is_busy),
    in_doubt(resolve = resolve_book)
)]
async fn book(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "book").await
}

async fn undo_book(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "book", effect).await
}

async fn resolve_book(cx: Context<'_, Participant>) -> Result<(), Refusal> {
    resolve(cx, "book").await
}

saga!(
    async fn charging(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        charge(cx).await?;
        Ok(())
    }
);

saga!(
    async fn booking(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        book(cx).await?;
        Ok(())
    }
);

#[tokio::test(start_paused = true)]
async fn a_charge_that_was_made_and_called_unavailable_to_the_end_is_refunded() {
    let participant = Participant::new().answers("charge", [Answer::BusyButDone; 3]);
    let error = participant
        .run(Charging {})
        .await
        .expect_err("the attempts have ended");
    // It is asked once more under its key, says that it was done, and is compensated.
    assert_eq!(
        participant.asked(),
        [
            "reserve",
            "charge",
            "charge",
            "charge",
            "charge",
            "undo charge",
            "undo reserve"
        ]
    );
    assert_eq!(
        participant.left(),
        Vec::<String>::new(),
        "no money is left behind"
    );
    assert_eq!(*error.cause(), Cause::Error(Refusal::busy("charge")));
    assert!(error.is_compensated());
}

#[tokio::test(start_paused = true)]
async fn a_transient_error_that_turns_into_a_refusal_has_nothing_to_undo() {
    let busy = [Answer::Busy, Answer::Busy, Answer::Busy, Answer::Refused];
    let participant = Participant::new().answers("charge", busy);
    let error = participant
        .run(Charging {})
        .await
        .expect_err("it is refused in the end");
    assert_eq!(
        participant.asked(),
        [
            "reserve",
            "charge",
            "charge",
            "charge",
            "charge",
            "undo reserve"
        ]
    );
    assert!(error.is_compensated());
}

#[tokio::test(start_paused = true)]
async fn a_step_that_is_never_answered_definitely_is_named_as_not_undone() {
    let participant = Participant::new().always("charge", Answer::BusyButDone);
    let error = participant
        .run(Charging {})
        .await
        .expect_err("the outcome is unknown");
    assert!(!error.is_compensated());
    let open: Vec<_> = error
        .compensation_failures()
        .map(|(one, _)| &*one.step)
        .collect();
    assert_eq!(open, ["charge"]);
    assert_eq!(participant.left(), ["charge"], "the others are undone");
}

#[tokio::test(start_paused = true)]
async fn a_resolver_undoes_what_a_transient_error_has_left_open() {
    let participant = Participant::new().answers("book", [Answer::BusyButDone; 3]);
    let error = participant
        .run(Booking {})
        .await
        .expect_err("the attempts have ended");
    assert_eq!(
        participant.asked(),
        [
            "reserve",
            "book",
            "book",
            "book",
            "resolve book",
            "undo reserve"
        ]
    );
    assert_eq!(participant.left(), Vec::<String>::new());
    assert!(error.is_compensated());
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_succeeds_after_transient_errors_goes_forward() {
    let participant = Participant::new().answers("charge", [Answer::BusyButDone; 2]);
    participant
        .run(Charging {})
        .await
        .expect("the third attempt is answered");
    assert_eq!(participant.left(), ["reserve", "charge"]);
}
