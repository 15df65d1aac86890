//! The attempts of a step: their number, their times, their inputs.

use std::collections::HashSet;
use std::time::Duration;

use saga_runtime::{Cause, Context, saga, step};

use crate::capability::{Capability, lacks, lateness, rounds};
use crate::participant::{Answer, Effect, Participant, Refusal, act, undo};
use crate::steps::{pay, reserve, thank};

#[step(
    compensate = undo_fetch,
    timeout = "1s",
    retry(attempts = 4, backoff = "100ms..250ms", when = Refusal::is_busy),
    in_doubt(when = never)
)]
async fn fetch(
    cx: Context<'_, Participant>,
    reserved: Effect,
    basket: &[String],
) -> Result<Effect, Refusal> {
    assert_eq!(reserved.what, "reserve");
    assert_eq!(basket, ["bread", "wine"]);
    act(cx, "fetch").await
}

async fn undo_fetch(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "fetch", effect).await
}

/// The participant of `fetch` answers for good: each of its errors says that nothing was done.
fn never(_: &Refusal) -> bool {
    false
}

#[step(compensate = undo_insist, retry(attempts = 7))]
async fn insist(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "insist").await
}

async fn undo_insist(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "insist", effect).await
}

#[step(retriable, timeout = "1s", retry(backoff = "1s..4s"))]
async fn write(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "write").await
}

saga!(
    async fn shopping(
        cx: Context<'_, Participant>,
        basket: Vec<String>,
    ) -> Result<Effect, Refusal> {
        let reserved = reserve(cx).await?;
        let fetched = fetch(cx, reserved, &basket).await?;
        Ok(fetched)
    }
);

saga!(
    async fn insisting(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        pay(cx).await?;
        insist(cx).await?;
        Ok(())
    }
);

saga!(
    async fn thanking(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
        pay(cx).await?;
        write(cx).await?;
        thank(cx).await
    }
);

fn bread_and_wine() -> Shopping {
    Shopping {
        basket: vec!["bread".to_owned(), "wine".to_owned()],
    }
}

fn asserts_within(waits: &[Duration], whole: &[u64]) {
    assert_eq!(waits.len(), whole.len(), "{waits:?}");
    for (wait, whole) in waits.iter().zip(whole) {
        let whole = Duration::from_millis(*whole);
        let bounds = whole / 2..=whole + lateness();
        assert!(bounds.contains(wait), "{wait:?} of {whole:?} in {waits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_without_a_policy_is_attempted_once() {
    let participant = Participant::new().answers("pay", [Answer::Busy]);
    let error = participant
        .run(Insisting {})
        .await
        .expect_err("`pay` refuses once");
    assert_eq!(participant.asked(), ["pay"]);
    assert_eq!(*error.cause(), Cause::Error(Refusal::busy("pay")));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_succeeds_after_others_goes_forward() {
    let answers = [Answer::Busy, Answer::Panics, Answer::Silent, Answer::Done];
    let participant = Participant::new().answers("fetch", answers);
    let fetched = participant.run(bread_and_wine()).await;
    assert_eq!(fetched.expect("the last attempt succeeds").what, "fetch");
    assert_eq!(
        participant.asked(),
        ["reserve", "fetch", "fetch", "fetch", "fetch"]
    );
    assert_eq!(participant.left(), ["reserve", "fetch"]);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_is_refused_at_every_attempt_is_not_undone() {
    let participant = Participant::new().always("fetch", Answer::Busy);
    let error = participant
        .run(bread_and_wine())
        .await
        .expect_err("all four attempts are refused");
    assert_eq!(
        participant.asked(),
        [
            "reserve",
            "fetch",
            "fetch",
            "fetch",
            "fetch",
            "undo reserve"
        ]
    );
    assert_eq!(*error.cause(), Cause::Error(Refusal::busy("fetch")));
    assert!(error.is_compensated());
}

#[tokio::test(start_paused = true)]
async fn every_attempt_has_the_same_key_and_its_own_number() {
    let answers = [Answer::Busy, Answer::PanicsButDone, Answer::SilentButDone];
    let participant = Participant::new().answers("fetch", answers);
    participant
        .run(bread_and_wine())
        .await
        .expect("the last attempt succeeds");
    let requests = participant.requests("fetch");
    let seen: Vec<_> = requests
        .iter()
        .map(|one| (one.attempt, one.key.as_str(), one.action_key.as_str()))
        .collect();
    let key = "saga/fetch/0";
    assert_eq!(
        seen,
        [(1, key, key), (2, key, key), (3, key, key), (4, key, key)]
    );
    assert_eq!(participant.left(), ["reserve", "fetch"], "done once");
}

#[tokio::test(start_paused = true)]
async fn an_error_that_when_does_not_accept_ends_the_attempts() {
    for (answers, attempts, last) in [
        (vec![Answer::Refused], 1, Refusal::refused("fetch")),
        (
            vec![Answer::Busy, Answer::Busy, Answer::Refused],
            3,
            Refusal::refused("fetch"),
        ),
        (
            vec![Answer::Busy, Answer::Unclear],
            2,
            Refusal::unclear("fetch"),
        ),
    ] {
        let participant = Participant::new().answers("fetch", answers.clone());
        let error = participant
            .run(bread_and_wine())
            .await
            .expect_err("the last answer is not accepted by `when`");
        assert_eq!(participant.requests("fetch").len(), attempts, "{answers:?}");
        assert_eq!(
            *error.cause(),
            Cause::Error(last),
            "the error of the last attempt"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn without_when_every_error_is_retried() {
    let answers = [
        Answer::Refused,
        Answer::Busy,
        Answer::Unclear,
        Answer::Refused,
        Answer::Panics,
        Answer::Refused,
    ];
    let participant = Participant::new().answers("insist", answers);
    participant
        .run(Insisting {})
        .await
        .expect("the seventh attempt succeeds");
    assert_eq!(participant.requests("insist").len(), 7);
}

#[tokio::test(start_paused = true)]
async fn waits_double_up_to_the_longest_and_stay_within_half_of_it() {
    for _ in 0..rounds(50) {
        let participant = Participant::new().always("fetch", Answer::Busy);
        participant
            .run(bread_and_wine())
            .await
            .expect_err("all attempts are refused");
        asserts_within(&participant.waits("fetch"), &[100, 200, 250]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_without_a_backoff_waits_from_100_milliseconds_on() {
    let participant = Participant::new().always("insist", Answer::Busy);
    participant
        .run(Insisting {})
        .await
        .expect_err("all attempts are refused");
    let whole = [100, 200, 400, 800, 1600, 3200];
    asserts_within(&participant.waits("insist"), &whole);
}

#[tokio::test(start_paused = true)]
async fn sagas_that_failed_together_do_not_come_back_together() {
    if lacks(Capability::TheClockOfTheTest) {
        return;
    }
    let mut waits = HashSet::new();
    for _ in 0..20 {
        let participant = Participant::new().answers("insist", [Answer::Busy; 6]);
        participant
            .run(Insisting {})
            .await
            .expect("the seventh attempt succeeds");
        waits.insert(participant.waits("insist"));
    }
    assert!(waits.len() > 10, "the waits of 20 sagas: {waits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_retriable_step_is_attempted_until_it_succeeds_whatever_happens() {
    if lacks(Capability::TheClockOfTheTest) {
        return;
    }
    let failures = [
        Answer::Refused,
        Answer::Panics,
        Answer::Silent,
        Answer::Unclear,
        Answer::Busy,
    ];
    let participant = Participant::new().answers("write", failures.repeat(20));
    participant
        .run(Thanking {})
        .await
        .expect("a retriable step never makes the saga fail");
    let requests = participant.requests("write");
    let attempts: Vec<_> = requests.iter().map(|one| one.attempt).collect();
    assert_eq!(attempts, (1..=101).collect::<Vec<_>>());
    assert!(requests.iter().all(|one| one.key == "saga/write/0"));
    assert_eq!(participant.left(), ["pay", "write", "thank"]);
}

#[tokio::test(start_paused = true)]
async fn a_retriable_step_waits_by_its_own_backoff() {
    let participant = Participant::new().answers("write", [Answer::Refused; 5]);
    participant
        .run(Thanking {})
        .await
        .expect("a retriable step never makes the saga fail");
    asserts_within(&participant.waits("write"), &[1000, 2000, 4000, 4000, 4000]);
}

#[tokio::test(start_paused = true)]
async fn a_retriable_step_without_a_policy_never_waits_longer_than_ten_seconds() {
    let participant = Participant::new().answers("thank", [Answer::Refused; 10]);
    participant
        .run(Thanking {})
        .await
        .expect("a retriable step never makes the saga fail");
    let whole = [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000];
    asserts_within(&participant.waits("thank"), &whole);
}
