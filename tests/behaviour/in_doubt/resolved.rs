//! Steps in doubt with a resolver. It undoes any effect under the step's key.

use saga_runtime::{Cause, CompensationOutcome, Context, saga};

use super::{DOUBTS, order};
use crate::participant::{Answer, Participant, Refusal};
use crate::steps::{pay, reserve};

saga!(
    async fn ordering(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        order(cx, "chair", vec![1, 2]).await?;
        pay(cx).await?;
        Ok(())
    }
);

saga!(
    #[saga(on_compensation_failure = halt)]
    async fn ordering_or_halting(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        order(cx, "chair", vec![1, 2]).await?;
        Ok(())
    }
);

saga!(
    #[saga(compensations = parallel)]
    async fn ordering_parallel(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        pay(cx).await?;
        order(cx, "chair", vec![1, 2]).await?;
        Ok(())
    }
);

#[tokio::test(start_paused = true)]
async fn the_resolver_runs_instead_of_the_compensation() {
    for doubt in DOUBTS {
        let participant = Participant::new().answers("order", [doubt, doubt, doubt]);
        let error = participant
            .run(Ordering {})
            .await
            .expect_err("every answer leaves it open");
        // An error that `when` does not accept is not retried; a timeout and a panic are.
        let attempts = match doubt {
            Answer::Unclear | Answer::UnclearButDone => 1,
            _ => 3,
        };
        let mut expected = vec!["reserve"];
        expected.extend(vec!["order"; attempts]);
        expected.extend(["resolve order", "undo reserve"]);
        assert_eq!(participant.asked(), expected, "{doubt:?}");
        assert_eq!(participant.left(), Vec::<String>::new(), "{doubt:?}");
        assert!(error.is_compensated(), "{doubt:?}");
        let undone: Vec<_> = error
            .compensations()
            .iter()
            .map(|one| (&*one.step, one.outcome.clone()))
            .collect();
        assert_eq!(
            undone,
            [
                ("order", CompensationOutcome::Resolved),
                ("reserve", CompensationOutcome::Compensated)
            ],
            "{doubt:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_resolver_knows_the_key_of_the_step_and_has_the_key_of_the_compensation() {
    let participant = Participant::new().answers("order", [Answer::UnclearButDone]);
    participant
        .run(Ordering {})
        .await
        .expect_err("the answer leaves it open");
    let requests = participant.requests("resolve order");
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].action_key, "saga/order/0");
    assert_eq!(requests[0].key, "saga/order/0/compensation");
    assert_eq!(requests[0].attempt, 1);
}

#[tokio::test(start_paused = true)]
async fn a_step_whose_only_attempt_was_refused_is_not_resolved() {
    let participant = Participant::new().answers("order", [Answer::Refused]);
    let error = participant
        .run(Ordering {})
        .await
        .expect_err("it is refused");
    assert_eq!(participant.asked(), ["reserve", "order", "undo reserve"]);
    assert!(error.is_compensated());
}

#[tokio::test(start_paused = true)]
async fn a_step_all_of_whose_attempts_were_refused_is_not_resolved() {
    let participant = Participant::new().always("order", Answer::Busy);
    participant
        .run(Ordering {})
        .await
        .expect_err("it is refused");
    assert_eq!(participant.requests("order").len(), 3);
    assert_eq!(participant.requests("resolve order"), []);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_after_an_attempt_in_doubt_is_not_trusted() {
    for doubt in [Answer::SilentButDone, Answer::PanicsButDone] {
        let participant = Participant::new().answers("order", [doubt, Answer::Refused]);
        let error = participant
            .run(Ordering {})
            .await
            .expect_err("the second attempt is refused");
        assert_eq!(
            participant.asked(),
            ["reserve", "order", "order", "resolve order", "undo reserve"],
            "{doubt:?}"
        );
        assert_eq!(participant.left(), Vec::<String>::new());
        assert_eq!(*error.cause(), Cause::Error(Refusal::refused("order")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_succeeds_after_an_attempt_in_doubt_is_compensated_and_not_resolved() {
    let participant = Participant::new()
        .answers("order", [Answer::SilentButDone])
        .answers("pay", [Answer::Refused]);
    let error = participant
        .run(Ordering {})
        .await
        .expect_err("`pay` is refused");
    assert_eq!(
        participant.asked(),
        [
            "reserve",
            "order",
            "order",
            "pay",
            "undo order",
            "undo reserve"
        ]
    );
    assert!(error.is_compensated());
    assert_eq!(participant.left(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_resolver_is_retried_like_a_compensation() {
    let failures = [
        Answer::Busy,
        Answer::Panics,
        Answer::Silent,
        Answer::Refused,
    ];
    let participant = Participant::new()
        .answers("order", [Answer::UnclearButDone])
        .answers("resolve order", failures);
    let error = participant
        .run(Ordering {})
        .await
        .expect_err("the answer leaves it open");
    assert!(error.is_compensated(), "the fifth attempt succeeds");
    let requests = participant.requests("resolve order");
    let attempts: Vec<_> = requests.iter().map(|one| one.attempt).collect();
    assert_eq!(attempts, [1, 2, 3, 4, 5]);
    assert_eq!(participant.left(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_fails_for_good_is_reported_and_the_others_run() {
    let participant = Participant::new()
        .answers("order", [Answer::UnclearButDone])
        .always("resolve order", Answer::Silent);
    let error = participant
        .run(Ordering {})
        .await
        .expect_err("the answer leaves it open");
    let failures: Vec<_> = error
        .compensation_failures()
        .map(|(one, failure)| format!("{}: {failure}", one.call()))
        .collect();
    assert_eq!(failures, ["order: no answer within 2s (5 attempts)"]);
    assert!(!error.is_compensated());
    assert_eq!(*error.cause(), Cause::Error(Refusal::unclear("order")));
    assert_eq!(participant.left(), ["order"]);
}

#[tokio::test(start_paused = true)]
async fn a_saga_halts_at_a_resolver_that_fails_for_good() {
    let participant = Participant::new()
        .answers("order", [Answer::UnclearButDone])
        .always("resolve order", Answer::Refused);
    let error = participant
        .run(OrderingOrHalting {})
        .await
        .expect_err("the answer leaves it open");
    let pending: Vec<_> = error
        .compensations()
        .iter()
        .filter(|one| one.outcome == CompensationOutcome::Pending)
        .map(|one| &*one.step)
        .collect();
    assert_eq!(pending, ["reserve"]);
    assert_eq!(participant.left(), ["reserve", "order"]);
}

#[tokio::test(start_paused = true)]
async fn a_step_is_resolved_before_parallel_compensations_begin() {
    let participant = Participant::new().answers("order", [Answer::UnclearButDone]);
    let hold = participant.holds("resolve order");
    let (ended, ()) = tokio::join!(participant.run(OrderingParallel {}), async {
        hold.arrived().await;
        tokio::task::yield_now().await;
        let asked = participant.asked();
        assert_eq!(asked, ["reserve", "pay", "order", "resolve order"]);
        hold.release();
    });
    assert!(
        ended
            .expect_err("the answer leaves it open")
            .is_compensated()
    );
    assert_eq!(participant.left(), Vec::<String>::new());
}
