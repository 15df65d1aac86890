//! Compensations: their inputs, their order, their retries and their failures.

mod failing;
mod parallel;

use std::time::Duration;

use saga_runtime::{Compensation, CompensationOutcome, Context, SagaError, saga, step};
use tokio::time::advance;

use crate::participant::{Answer, Participant, Refusal, read};
use crate::steps::{look, pack, pay, reserve};

/// The step at which these sagas fail. It leaves no effect.
#[step(compensate = ())]
async fn seal(cx: Context<'_, Participant>) -> Result<(), Refusal> {
    read(cx, "seal").await
}

saga!(
    #[saga(on_compensation_failure = continue, compensations = sequential)]
    async fn buy(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        look(cx).await?;
        pay(cx).await?;
        pack(cx).await?;
        seal(cx).await
    }
);

saga!(
    async fn paying_twice(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        pay(cx).await?;
        reserve(cx).await?;
        pay(cx).await?;
        seal(cx).await?;
        Ok(())
    }
);

/// One that lets every saga here fail at its last step.
fn refusing() -> Participant {
    Participant::new().answers("seal", [Answer::Refused])
}

fn outcomes(error: &SagaError<Refusal>) -> Vec<String> {
    let outcome = |one: &Compensation| match &one.outcome {
        CompensationOutcome::Compensated => format!("{} compensated", one.step),
        CompensationOutcome::Failed(failure) => format!("{} failed: {failure}", one.step),
        CompensationOutcome::Pending => format!("{} pending", one.step),
        other => format!("{} {other:?}", one.step),
    };
    error.compensations().iter().map(outcome).collect()
}

#[tokio::test(start_paused = true)]
async fn steps_are_compensated_last_first_and_those_with_nothing_to_undo_are_skipped() {
    let participant = refusing();
    let error = participant
        .run(Buy {})
        .await
        .expect_err("`seal` is refused");
    assert_eq!(
        participant.asked(),
        [
            "reserve",
            "look",
            "pay",
            "pack",
            "seal",
            "undo pack",
            "undo pay",
            "undo reserve"
        ]
    );
    assert_eq!(
        outcomes(&error),
        ["pack compensated", "pay compensated", "reserve compensated"]
    );
    assert_eq!(participant.left(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn each_compensation_gets_the_output_of_its_own_call() {
    let participant = refusing();
    participant
        .run(PayingTwice {})
        .await
        .expect_err("`seal` is refused");
    // The participant undoes an effect only if key and output belong together.
    assert_eq!(
        participant.asked()[4..],
        ["undo pay", "undo reserve", "undo pay"]
    );
    assert_eq!(participant.left(), Vec::<String>::new());
    let undone = participant.requests("undo pay");
    let keys: Vec<_> = undone.iter().map(|one| one.action_key.as_str()).collect();
    assert_eq!(keys, ["saga/pay/1", "saga/pay/0"]);
}

#[tokio::test(start_paused = true)]
async fn a_compensation_begins_when_the_one_before_it_has_ended() {
    let participant = refusing();
    let hold = participant.holds("undo pay");
    let (ended, ()) = tokio::join!(participant.run(Buy {}), async {
        hold.arrived().await;
        advance(Duration::from_mins(1)).await;
        tokio::task::yield_now().await;
        let asked = participant.asked();
        assert_eq!(asked.last().map(String::as_str), Some("undo pay"));
        hold.release();
    });
    ended.expect_err("`seal` is refused");
    assert_eq!(
        participant.asked().last().map(String::as_str),
        Some("undo reserve")
    );
}
