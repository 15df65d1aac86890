//! The one line that an error is when it is printed, golden.

use std::time::Duration;

use saga_runtime::{CompensationFailure, CompensationOutcome, Context, saga};

use super::{Buying, error_of, guess, wait};
use crate::capability::{Capability, lacks};
use crate::participant::{Answer, Participant, Refusal};
use crate::steps::{pay, reserve, ship};

saga!(
    #[saga(on_compensation_failure = halt)]
    async fn halting(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        pay(cx).await?;
        wait(cx).await?;
        guess(cx).await?;
        Ok(())
    }
);

saga!(
    async fn stumbling(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        ship(cx).await?;
        panic!("stumbled");
    }
);

#[tokio::test(start_paused = true)]
async fn it_is_one_line_that_says_where_why_and_what_has_become_of_the_rest() {
    for (participant, line) in [
        (
            Participant::new().answers("reserve", [Answer::Refused]),
            "saga `buy-one` failed at step `reserve`: reserve was refused",
        ),
        (
            Participant::new().answers("guess", [Answer::Refused]),
            "saga `buy-one` failed at step `guess`: guess was refused; compensated: `pay`, `reserve`",
        ),
        (
            Participant::new().answers("wait", [Answer::Silent]),
            "saga `buy-one` failed at step `wait`: no answer within 1.5s; \
             compensated: `wait`, `pay`, `reserve`",
        ),
        (
            Participant::new().answers("guess", [Answer::Panics]),
            "saga `buy-one` failed at step `guess`: panicked: guess broke; \
             compensated: `pay`, `reserve`",
        ),
        (
            Participant::new().cancels_at("pay", 1),
            "saga `buy-one` failed at step `pay`: cancelled; compensated: `pay`, `reserve`",
        ),
        (
            Participant::new()
                .answers("guess", [Answer::Refused])
                .always("undo pay", Answer::Busy),
            "saga `buy-one` failed at step `guess`: guess was refused; compensated: `reserve`; \
             NOT compensated: `pay`: undo pay was busy (5 attempts)",
        ),
        (
            Participant::new()
                .answers("jump", [Answer::Refused])
                .always("undo pay", Answer::Busy)
                .always("undo wait", Answer::Panics),
            "saga `buy-one` failed at step `jump`: jump was refused; compensated: `reserve`; \
             NOT compensated: `wait`: panicked: undo wait broke (5 attempts); \
             NOT compensated: `pay`: undo pay was busy (5 attempts)",
        ),
        (
            Participant::new().always("jump", Answer::Silent),
            "saga `buy-one` failed at step `jump`: no answer within 1s; \
             not compensated, because the pivot may have taken effect; \
             NOT compensated: `jump`: no answer within 1s (6 attempts); \
             pending: `wait`, `pay`, `reserve`",
        ),
    ] {
        let error = error_of(participant).await;
        assert_eq!(error.to_string(), line);
        assert_eq!(format!("{error:?}"), format!("SagaError({line})"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_body_names_no_step() {
    let participant = Participant::new();
    let error = participant
        .run(Buying { objects: true })
        .await
        .expect_err("the saga objects");
    assert_eq!(
        error.to_string(),
        "saga `buy-one` failed: objection: too late; compensated: `wait`, `pay`, `reserve`"
    );
    assert_eq!(error.step(), None);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passed_says_so() {
    if lacks(Capability::TheClockOfTheTest) {
        return;
    }
    let participant = Participant::new();
    let hold = participant.holds("reserve");
    let (ended, ()) = tokio::join!(participant.run(Buying { objects: false }), async {
        hold.arrived().await;
        tokio::time::advance(Duration::from_secs(61)).await;
        hold.release();
    });
    let line = ended.expect_err("its deadline has passed").to_string();
    assert_eq!(
        line,
        "saga `buy-one` failed at step `reserve`: deadline exceeded; compensated: `reserve`"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_pending_after_a_halt_is_said_last() {
    let participant = Participant::new()
        .answers("guess", [Answer::Refused])
        .always("undo pay", Answer::Refused);
    let error = participant
        .run(Halting {})
        .await
        .expect_err("`guess` is refused");
    assert_eq!(
        error.to_string(),
        "saga `halting` failed at step `guess`: guess was refused; compensated: `wait`; \
         NOT compensated: `pay`: undo pay was refused (5 attempts); pending: `reserve`"
    );
    let outcomes: Vec<_> = error
        .compensations()
        .iter()
        .map(|one| (&*one.step, one.outcome.clone()))
        .collect();
    let failure = CompensationFailure::new(5, "undo pay was refused".to_owned());
    assert_eq!(
        outcomes,
        [
            ("wait", CompensationOutcome::Compensated),
            ("pay", CompensationOutcome::Failed(failure)),
            ("reserve", CompensationOutcome::Pending),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_saga_that_fails_after_its_pivot_says_that_nothing_is_compensated() {
    let participant = Participant::new();
    let error = participant
        .run(Stumbling {})
        .await
        .expect_err("the body panics");
    assert_eq!(
        error.to_string(),
        "saga `stumbling` failed: panicked: stumbled; \
         not compensated, because the pivot may have taken effect; pending: `reserve`"
    );
}
