//! Policies as constants, closures, and shared by name.

use std::time::Duration;

use saga_runtime::meta::{Policy, RetryPolicy};
use saga_runtime::{Context, saga, step};

use crate::participant::{Answer, Effect, Participant, Refusal, act, undo};

const ATTEMPTS: u32 = 3;
const FIRST: Duration = Duration::from_millis(2);
const LONGEST: Duration = Duration::from_millis(4);

const PROVIDER: Policy = Policy::new()
    .timeout(Duration::from_secs(30))
    .retry(RetryPolicy::attempts(ATTEMPTS).backoff(FIRST, LONGEST))
    .compensation_retry(RetryPolicy::attempts(2).backoff(FIRST, LONGEST));

#[step(
    compensate = undo_by_constants,
    timeout = PROVIDER_TIMEOUT,
    retry(attempts = ATTEMPTS, backoff = FIRST..LONGEST, when = |error| matches!(error, Refusal::Busy(_) | Refusal::Unclear(_))),
    in_doubt(when = |error| error.is_unclear()),
)]
async fn by_constants(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "by_constants").await
}

const PROVIDER_TIMEOUT: Duration = Duration::from_secs(30);

async fn undo_by_constants(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "by_constants", effect).await
}

#[step(compensate = undo_shared, policy = PROVIDER, retry(when = |error| error.is_busy()))]
async fn shared(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "shared").await
}

async fn undo_shared(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "shared", effect).await
}

#[step(compensate = (), policy = PROVIDER, timeout = "5s", retry(attempts = 1))]
async fn overriding(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "overriding").await
}

/// Is retried until it succeeds, whatever its policy says.
#[step(retriable, policy = PROVIDER)]
async fn finish(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "finish").await
}

saga!(
    async fn by_policy(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        by_constants(cx).await?;
        shared(cx).await?;
        overriding(cx).await?;
        finish(cx).await?;
        Ok(())
    }
);

#[test]
fn policies_of_constants_are_those_of_the_step() {
    let shape = ByPolicy::shape();
    let steps: Vec<_> = shape.steps().collect();
    let retry = RetryPolicy::attempts(ATTEMPTS).backoff(FIRST, LONGEST);
    let limits: Vec<_> = steps
        .iter()
        .map(|step| step.timeout.map(|one| one.as_secs()))
        .collect();
    assert_eq!(limits, [Some(30), Some(30), Some(5), Some(30)]);
    assert_eq!(steps[0].retry, Some(retry));
    assert_eq!(steps[1].retry, Some(retry));
    assert_eq!(steps[2].retry, Some(RetryPolicy::attempts(1)));
    assert_eq!(steps[0].compensation_retry, None);
    let compensation_retry = steps[1].compensation_retry;
    assert_eq!(
        compensation_retry.and_then(|retry| retry.max_attempts()),
        Some(2)
    );
    assert_eq!(steps[3].forward_retry().max_attempts(), None);
}

#[tokio::test(start_paused = true)]
async fn a_closure_says_which_errors_are_transient() {
    let participant = Participant::new()
        .answers("by_constants", [Answer::Busy, Answer::Busy])
        .answers("shared", [Answer::Busy, Answer::Busy, Answer::Busy])
        .answers("finish", [Answer::Refused; 5]);
    let error = participant
        .run(ByPolicy {})
        .await
        .expect_err("three attempts");
    assert_eq!(error.step(), Some("shared"));
    assert_eq!(participant.requests("by_constants").len(), 3);

    let participant = Participant::new()
        .answers("shared", [Answer::Busy])
        .answers("finish", [Answer::Refused; 5]);
    participant.run(ByPolicy {}).await.expect("all is retried");
    assert_eq!(participant.requests("shared").len(), 2);
    assert_eq!(participant.requests("finish").len(), 6);

    let participant = Participant::new().answers("shared", [Answer::Refused]);
    let error = participant
        .run(ByPolicy {})
        .await
        .expect_err("it is not transient");
    assert_eq!(error.step(), Some("shared"));
    assert_eq!(participant.requests("shared").len(), 1);
    assert_eq!(participant.left(), Vec::<String>::new());
}

/// Its numbers are those of the saga.
#[step(compensate = undo_by_default, retry(when = |error| error.is_busy()))]
async fn by_default(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "by_default").await
}

async fn undo_by_default(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "by_default", effect).await
}

#[step(compensate = (), retry(attempts = 1))]
async fn by_itself(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "by_itself").await
}

saga!(
    #[saga(compensatable)]
    async fn inner(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        by_default(cx).await?;
        Ok(())
    }
);

saga!(
    #[saga(policy = PROVIDER)]
    async fn with_a_policy(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        inner(cx).await?;
        by_itself(cx).await?;
        Ok(())
    }
);

#[tokio::test(start_paused = true)]
async fn the_policy_of_a_saga_is_that_of_steps_that_say_nothing() {
    let participant = Participant::new()
        .answers("by_default", [Answer::Busy, Answer::Busy])
        .answers("by_itself", [Answer::Refused]);
    let error = participant
        .run(WithAPolicy {})
        .await
        .expect_err("the second step has one attempt");
    assert_eq!(error.step(), Some("by_itself"));
    assert!(error.is_compensated());
    assert_eq!(participant.requests("by_default").len(), 3);
    assert_eq!(participant.requests("by_itself").len(), 1);

    let participant = Participant::new().answers("by_default", [Answer::Busy; 3]);
    let error = participant
        .run(WithAPolicy {})
        .await
        .expect_err("it has three attempts, and not five");
    assert_eq!(error.step(), Some("inner/by_default"));
    assert!(error.is_compensated());

    let participant = Participant::new().answers("by_default", [Answer::Refused]);
    let error = participant
        .run(WithAPolicy {})
        .await
        .expect_err("a refusal is not transient");
    assert_eq!(error.step(), Some("inner/by_default"));
    assert_eq!(participant.requests("by_default").len(), 1);
    assert_eq!(participant.left(), Vec::<String>::new());
}
