//! Compensations that fail: the number of attempts, and the end of the others.

use std::time::Duration;

use saga_runtime::{Context, saga, step};

use super::{Buy, outcomes, refusing, seal};
use crate::capability::{lateness, rounds};
use crate::participant::{Answer, Effect, Participant, Refusal, act, undo};
use crate::steps::{look, pack, pay, reserve};

#[step(
    compensate = undo_wrap,
    compensation(retry(attempts = 2, backoff = "4s..4s"))
)]
async fn wrap(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "wrap").await
}

async fn undo_wrap(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "wrap", effect).await
}

saga!(
    async fn wrapping(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        wrap(cx).await?;
        seal(cx).await?;
        Ok(())
    }
);

saga!(
    #[saga(on_compensation_failure = halt)]
    async fn buy_halting(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        look(cx).await?;
        pay(cx).await?;
        pack(cx).await?;
        seal(cx).await
    }
);

#[tokio::test(start_paused = true)]
async fn a_failing_compensation_is_attempted_five_times_with_growing_waits() {
    for _ in 0..rounds(20) {
        let answers = [
            Answer::Busy,
            Answer::Panics,
            Answer::Refused,
            Answer::Unclear,
        ];
        let participant = refusing().answers("undo pay", answers);
        let error = participant
            .run(Buy {})
            .await
            .expect_err("`seal` is refused");
        assert!(error.is_compensated(), "the fifth attempt succeeds");
        assert_eq!(participant.left(), Vec::<String>::new());
        let waits = participant.waits("undo pay");
        assert_eq!(waits.len(), 4);
        for (wait, whole) in waits.iter().zip([100, 200, 400, 800]) {
            let whole = Duration::from_millis(whole);
            assert!(
                (whole / 2..=whole + lateness()).contains(wait),
                "{wait:?} of {whole:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_attempt_of_a_compensation_has_the_same_keys_and_its_own_number() {
    let participant = refusing().answers("undo pay", [Answer::Busy, Answer::Panics]);
    participant
        .run(Buy {})
        .await
        .expect_err("`seal` is refused");
    let requests = participant.requests("undo pay");
    let seen: Vec<_> = requests
        .iter()
        .map(|one| (one.attempt, one.key.as_str(), one.action_key.as_str()))
        .collect();
    let (key, action) = ("saga/pay/0/compensation", "saga/pay/0");
    assert_eq!(seen, [(1, key, action), (2, key, action), (3, key, action)]);
}

#[tokio::test(start_paused = true)]
async fn a_compensation_has_a_retry_policy_of_its_own() {
    let participant = refusing().always("undo wrap", Answer::Busy);
    let error = participant
        .run(Wrapping {})
        .await
        .expect_err("`seal` is refused");
    assert_eq!(
        outcomes(&error),
        ["wrap failed: undo wrap was busy (2 attempts)"]
    );
    let waits = participant.waits("undo wrap");
    assert_eq!(waits.len(), 1);
    let bounds = Duration::from_secs(2)..=Duration::from_secs(4) + lateness();
    assert!(bounds.contains(&waits[0]), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn after_a_compensation_that_failed_for_good_the_others_still_run() {
    let participant = refusing()
        .always("undo pack", Answer::Refused)
        .answers("undo pay", [Answer::Busy]);
    let error = participant
        .run(Buy {})
        .await
        .expect_err("`seal` is refused");
    assert_eq!(
        outcomes(&error),
        [
            "pack failed: undo pack was refused (5 attempts)",
            "pay compensated",
            "reserve compensated",
        ]
    );
    assert!(!error.is_compensated());
    assert_eq!(participant.left(), ["pack"]);
}

#[tokio::test(start_paused = true)]
async fn every_compensation_that_failed_is_reported_in_the_order_they_ran() {
    let participant = refusing()
        .always("undo pack", Answer::Refused)
        .always("undo pay", Answer::Panics)
        .always("undo reserve", Answer::Busy);
    let error = participant
        .run(Buy {})
        .await
        .expect_err("`seal` is refused");
    let failures: Vec<_> = error
        .compensation_failures()
        .map(|(one, failure)| (&*one.step, failure.attempts, failure.message.as_str()))
        .collect();
    assert_eq!(
        failures,
        [
            ("pack", 5, "undo pack was refused"),
            ("pay", 5, "panicked: undo pay broke"),
            ("reserve", 5, "undo reserve was busy"),
        ]
    );
    assert_eq!(participant.left(), ["reserve", "pay", "pack"]);
}

#[tokio::test(start_paused = true)]
async fn a_saga_that_halts_leaves_the_other_compensations_pending() {
    let participant = refusing().always("undo pay", Answer::Refused);
    let error = participant
        .run(BuyHalting {})
        .await
        .expect_err("`seal` is refused");
    assert_eq!(
        outcomes(&error),
        [
            "pack compensated",
            "pay failed: undo pay was refused (5 attempts)",
            "reserve pending",
        ]
    );
    assert!(!error.is_compensated());
    assert_eq!(participant.requests("undo reserve"), []);
    assert_eq!(participant.left(), ["reserve", "pay"]);
}

#[tokio::test(start_paused = true)]
async fn a_saga_does_not_halt_at_a_compensation_that_succeeds_in_the_end() {
    let participant = refusing().answers("undo pay", [Answer::Refused; 4]);
    let error = participant
        .run(BuyHalting {})
        .await
        .expect_err("`seal` is refused");
    assert!(error.is_compensated());
    assert_eq!(participant.left(), Vec::<String>::new());
}
