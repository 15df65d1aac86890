//! A saga with more calls than a run has bits for.

use saga_runtime::{Context, saga, step};

use crate::participant::{Answer, Participant, Refusal, read};
use crate::steps::pay;

#[step(compensate = ())]
async fn stop(cx: Context<'_, Participant>) -> Result<(), Refusal> {
    read(cx, "stop").await
}

saga!(
    async fn paying(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        stop(cx).await?;
        Ok(())
    }
);

#[tokio::test(start_paused = true)]
async fn every_call_of_a_long_saga_has_its_key_and_is_undone_last_first() {
    let participant = Participant::new().answers("stop", [Answer::Refused]);
    let error = participant
        .run(Paying {})
        .await
        .expect_err("it is told to stop");
    assert_eq!(error.step(), Some("stop"));
    assert!(error.is_compensated());
    let paid = participant.requests("pay");
    let keys: Vec<_> = paid.iter().map(|one| one.key.as_str()).collect();
    let expected: Vec<_> = (0..66).map(|n| format!("saga/pay/{n}")).collect();
    assert_eq!(keys, expected);
    let undone = participant.requests("undo pay");
    let undone: Vec<_> = undone.iter().map(|one| one.action_key.as_str()).collect();
    assert!(undone.into_iter().rev().eq(&expected));
}
