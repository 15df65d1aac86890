//! A pivot in doubt: it can't be undone, so the saga goes forward if it was done.

use std::time::Duration;

use saga_runtime::{Cause, CompensationOutcome, Context, saga, step};

use crate::participant::{Answer, Effect, Participant, Refusal, act};
use crate::steps::{reserve, thank};

#[step(pivot, timeout = "1s", in_doubt(when = Refusal::is_unclear))]
async fn launch(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "launch").await
}

saga!(
    async fn launching(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
        reserve(cx).await?;
        let launched = launch(cx).await?;
        thank(cx).await?;
        Ok(launched)
    }
);

#[tokio::test(start_paused = true)]
async fn a_pivot_in_doubt_is_asked_again_and_the_saga_goes_forward_if_it_was_done() {
    for doubt in super::DOUBTS {
        let participant = Participant::new().answers("launch", [doubt, doubt]);
        let launched = participant.run(Launching {}).await;
        assert_eq!(launched.expect("it was done").what, "launch", "{doubt:?}");
        assert_eq!(
            participant.asked(),
            ["reserve", "launch", "launch", "launch", "thank"],
            "{doubt:?}"
        );
        assert_eq!(participant.left(), ["reserve", "launch", "thank"]);
        let requests = participant.requests("launch");
        assert!(requests.iter().all(|one| one.key == "saga/launch/0"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_pivot_in_doubt_that_is_refused_when_asked_again_is_compensated() {
    for doubt in [Answer::Unclear, Answer::Silent, Answer::Panics] {
        let participant = Participant::new().answers("launch", [doubt, Answer::Refused]);
        let error = participant
            .run(Launching {})
            .await
            .expect_err("it was refused");
        assert_eq!(
            participant.asked(),
            ["reserve", "launch", "launch", "undo reserve"],
            "{doubt:?}"
        );
        assert!(error.is_compensated());
        assert_eq!(*error.cause(), Cause::Error(Refusal::refused("launch")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_pivot_that_stays_in_doubt_leaves_everything_as_it_is() {
    let participant = Participant::new().always("launch", Answer::SilentButDone);
    let error = participant
        .run(Launching {})
        .await
        .expect_err("it is never known");
    assert_eq!(participant.left(), ["reserve", "launch"]);
    assert!(!error.is_compensated());
    let after = Duration::from_secs(1);
    assert_eq!(*error.cause(), Cause::TimedOut { after });
    let outcomes: Vec<_> = error
        .compensations()
        .iter()
        .map(|one| (&*one.step, one.outcome == CompensationOutcome::Pending))
        .collect();
    assert_eq!(outcomes, [("launch", false), ("reserve", true)]);
    let failed = error.compensation_failures().map(|(one, _)| &*one.step);
    assert_eq!(failed.collect::<Vec<_>>(), ["launch"]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_pivot_is_not_asked_again_and_everything_before_it_is_undone() {
    let participant = Participant::new().answers("launch", [Answer::Refused]);
    let error = participant
        .run(Launching {})
        .await
        .expect_err("it was refused");
    assert_eq!(participant.asked(), ["reserve", "launch", "undo reserve"]);
    assert!(error.is_compensated());
}
