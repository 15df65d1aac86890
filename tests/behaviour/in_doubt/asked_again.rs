//! Without a resolver: the step is asked again under its key until the answer is definite.

use std::time::Duration;

use saga_runtime::{Cause, CompensationOutcome, Context, saga, step};
use tokio::time::advance;

use super::{DOUBTS, deposit, transfer};
use crate::capability::{lateness, rounds};
use crate::participant::{Answer, Participant, Refusal, read};
use crate::steps::{pay, reserve};

saga!(
    async fn transferring(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        transfer(cx).await?;
        pay(cx).await?;
        Ok(())
    }
);

saga!(
    #[saga(on_compensation_failure = halt)]
    async fn transferring_or_halting(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        transfer(cx).await?;
        Ok(())
    }
);

saga!(
    async fn depositing(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        deposit(cx).await?;
        Ok(())
    }
);

#[step(compensate = (), timeout = "1s", in_doubt(when = Refusal::is_unclear))]
async fn peek(cx: Context<'_, Participant>) -> Result<(), Refusal> {
    read(cx, "peek").await
}

saga!(
    async fn peeking(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        peek(cx).await?;
        Ok(())
    }
);

#[tokio::test(start_paused = true)]
async fn a_step_in_doubt_that_was_done_is_compensated_like_any_other() {
    for doubt in DOUBTS {
        let participant = Participant::new().answers("transfer", [doubt]);
        let error = participant
            .run(Transferring {})
            .await
            .expect_err("the first answer leaves it open");
        assert_eq!(
            participant.asked(),
            [
                "reserve",
                "transfer",
                "transfer",
                "undo transfer",
                "undo reserve"
            ],
            "{doubt:?}"
        );
        assert!(error.is_compensated(), "{doubt:?}");
        assert_eq!(participant.left(), Vec::<String>::new(), "{doubt:?}");
        assert_eq!(error.step(), Some("transfer"), "{doubt:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_in_doubt_is_asked_again_under_the_same_key_as_another_attempt() {
    for doubt in DOUBTS {
        let participant = Participant::new().answers("transfer", [doubt, doubt]);
        participant
            .run(Transferring {})
            .await
            .expect_err("the first answer leaves it open");
        let requests = participant.requests("transfer");
        let seen: Vec<_> = requests
            .iter()
            .map(|one| (one.attempt, one.key.as_str()))
            .collect();
        let key = "saga/transfer/0";
        assert_eq!(seen, [(1, key), (2, key), (3, key)], "{doubt:?}");
        let undone = participant.requests("undo transfer");
        assert_eq!(undone[0].action_key, key, "{doubt:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_in_doubt_that_is_refused_when_asked_again_has_nothing_to_undo() {
    for doubt in [Answer::Unclear, Answer::Silent, Answer::Panics] {
        for refusal in [Answer::Refused, Answer::Busy] {
            let participant = Participant::new().answers("transfer", [doubt, doubt, refusal]);
            let error = participant
                .run(Transferring {})
                .await
                .expect_err("the last answer is a refusal");
            assert_eq!(
                participant.asked(),
                [
                    "reserve",
                    "transfer",
                    "transfer",
                    "transfer",
                    "undo reserve"
                ],
                "{doubt:?} {refusal:?}"
            );
            let Cause::Error(error_of_step) = error.cause() else {
                panic!("the refusal is the cause, not {:?}", error.cause());
            };
            assert!(!error_of_step.is_unclear(), "{doubt:?} {refusal:?}");
            assert!(error.is_compensated());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_stays_in_doubt_is_a_compensation_that_failed_and_the_others_run() {
    for (doubt, reason) in [
        (Answer::Unclear, "transfer was unclear"),
        (Answer::Silent, "no answer within 1s"),
        (Answer::Panics, "panicked: transfer broke"),
    ] {
        let participant = Participant::new().always("transfer", doubt);
        let error = participant
            .run(Transferring {})
            .await
            .expect_err("it is never known");
        // Once to do it, five times to find out.
        assert_eq!(participant.requests("transfer").len(), 6, "{doubt:?}");
        let failures: Vec<_> = error
            .compensation_failures()
            .map(|(one, failure)| (&*one.step, failure.message.as_str()))
            .collect();
        assert_eq!(failures, [("transfer", reason)]);
        assert!(!error.is_compensated());
        assert_eq!(participant.requests("undo transfer"), []);
        assert_eq!(participant.requests("undo reserve").len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_saga_halts_at_a_step_that_stays_in_doubt() {
    let participant = Participant::new().always("transfer", Answer::Silent);
    let error = participant
        .run(TransferringOrHalting {})
        .await
        .expect_err("it is never known");
    let last = error.compensations().last().expect("`reserve` was done");
    assert_eq!(last.step, "reserve");
    assert_eq!(last.outcome, CompensationOutcome::Pending);
    assert_eq!(participant.left(), ["reserve"]);
}

#[tokio::test(start_paused = true)]
async fn the_waits_between_asking_again_grow() {
    for _ in 0..rounds(20) {
        let participant = Participant::new().always("transfer", Answer::Panics);
        participant
            .run(Transferring {})
            .await
            .expect_err("it is never known");
        let waits = participant.waits("transfer");
        assert_eq!(waits.len(), 5);
        assert!(
            waits[0] < lateness(),
            "at first it is asked at once: {waits:?}"
        );
        for (wait, whole) in waits[1..].iter().zip([100, 200, 400, 800]) {
            let whole = Duration::from_millis(whole);
            let bounds = whole / 2..=whole + lateness();
            assert!(bounds.contains(wait), "{wait:?} of {whole:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_with_retries_is_in_doubt_when_they_are_used_up() {
    let answers = [Answer::Silent, Answer::Panics, Answer::SilentButDone];
    let participant = Participant::new().answers("deposit", answers);
    let error = participant
        .run(Depositing {})
        .await
        .expect_err("all attempts leave it open");
    assert_eq!(
        participant.asked(),
        [
            "reserve",
            "deposit",
            "deposit",
            "deposit",
            "deposit",
            "undo deposit",
            "undo reserve"
        ]
    );
    assert!(error.is_compensated());
}

#[tokio::test(start_paused = true)]
async fn a_step_is_asked_again_as_often_as_its_own_policy_says() {
    let participant = Participant::new().always("deposit", Answer::Silent);
    let error = participant
        .run(Depositing {})
        .await
        .expect_err("it is never known");
    assert_eq!(participant.requests("deposit").len(), 3 + 3);
    assert!(!error.is_compensated());
}

#[tokio::test(start_paused = true)]
async fn an_error_in_doubt_that_retrying_does_not_help_is_settled_at_once() {
    let participant = Participant::new().answers("deposit", [Answer::UnclearButDone]);
    let error = participant
        .run(Depositing {})
        .await
        .expect_err("the first answer leaves it open");
    assert_eq!(
        participant.asked(),
        [
            "reserve",
            "deposit",
            "deposit",
            "undo deposit",
            "undo reserve"
        ]
    );
    assert_eq!(*error.cause(), Cause::Error(Refusal::unclear("deposit")));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_succeeds_after_one_in_doubt_goes_forward() {
    for doubt in [
        Answer::Silent,
        Answer::SilentButDone,
        Answer::Panics,
        Answer::PanicsButDone,
    ] {
        let participant = Participant::new().answers("deposit", [doubt]);
        participant
            .run(Depositing {})
            .await
            .expect("the second attempt succeeds");
        assert_eq!(participant.asked(), ["reserve", "deposit", "deposit"]);
        assert_eq!(participant.left(), ["reserve", "deposit"], "{doubt:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_after_an_attempt_in_doubt_is_believed() {
    let answers = [Answer::Silent, Answer::Refused];
    let participant = Participant::new().answers("deposit", answers);
    let error = participant
        .run(Depositing {})
        .await
        .expect_err("the second attempt is refused");
    assert_eq!(
        participant.asked(),
        ["reserve", "deposit", "deposit", "undo reserve"]
    );
    assert_eq!(*error.cause(), Cause::Error(Refusal::refused("deposit")));
    assert!(error.is_compensated());
}

#[tokio::test(start_paused = true)]
async fn a_step_with_nothing_to_undo_is_not_asked_again() {
    for doubt in [Answer::Unclear, Answer::Silent, Answer::Panics] {
        let participant = Participant::new().answers("peek", [doubt]);
        let error = participant
            .run(Peeking {})
            .await
            .expect_err("the answer leaves it open");
        assert_eq!(
            participant.asked(),
            ["reserve", "peek", "undo reserve"],
            "{doubt:?}"
        );
        assert!(error.is_compensated());
    }
}

#[tokio::test(start_paused = true)]
async fn a_saga_that_is_cancelled_still_finds_out() {
    let participant = Participant::new().answers("transfer", [Answer::PanicsButDone]);
    let hold = participant.holds("transfer");
    let (ended, ()) = tokio::join!(participant.run_cancellable(Transferring {}), async {
        hold.arrived().await;
        participant.cancellation.cancel();
        hold.release();
        advance(Duration::from_secs(2)).await;
    });
    let error = ended.expect_err("it is cancelled");
    assert_eq!(
        participant.asked(),
        [
            "reserve",
            "transfer",
            "transfer",
            "undo transfer",
            "undo reserve"
        ]
    );
    assert!(error.is_compensated());
}
