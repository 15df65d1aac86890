//! The limit of an attempt, and the consequences of passing it.

use std::sync::Mutex;
use std::time::Duration;

use saga_runtime::{Cause, Context, InProcess, saga, step};
use tokio::time::{Instant, advance};

use crate::capability::{Capability, lacks, lateness};
use crate::participant::{Answer, Effect, Participant, Refusal, act, ends, undo};
use crate::steps::{pay, reserve};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);

#[step(
    compensate = undo_call,
    timeout = "3s",
    retry(attempts = 3, backoff = "1s..1s"),
    compensation(timeout = "2s")
)]
async fn call(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "call").await
}

async fn undo_call(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "call", effect).await
}

saga!(
    async fn calling(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        call(cx).await?;
        pay(cx).await?;
        Ok(())
    }
);

#[tokio::test(start_paused = true)]
async fn a_step_without_a_timeout_may_take_a_day() {
    if lacks(Capability::TheClockOfTheTest) {
        return;
    }
    let participant = Participant::new();
    let hold = participant.holds("reserve");
    let (ended, ()) = tokio::join!(participant.run(Calling {}), async {
        hold.arrived().await;
        advance(DAY).await;
        hold.release();
    });
    ended.expect("in process there is no default timeout");
    assert_eq!(participant.asked(), ["reserve", "call", "pay"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_just_before_the_limit_counts() {
    let participant = Participant::new();
    let hold = participant.holds("call");
    let (ended, ()) = tokio::join!(participant.run(Calling {}), async {
        hold.arrived().await;
        advance(Duration::from_millis(2998)).await;
        hold.release();
    });
    ended.expect("the answer came in time");
    assert_eq!(participant.requests("call").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_limit_holds_for_each_attempt_and_not_for_all_of_them() {
    let participant = Participant::new().answers("call", [Answer::Silent, Answer::Silent]);
    let hold_after = participant.run(Calling {}).await;
    hold_after.expect("the third attempt answers");
    for wait in participant.waits("call") {
        // The whole limit, then a backoff of half a second to a second.
        let bounds = 3 * SECOND + SECOND / 2..=4 * SECOND + 2 * lateness();
        assert!(bounds.contains(&wait), "{wait:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_timed_out_says_so_and_after_how_long() {
    let answers = [Answer::Silent, Answer::Silent, Answer::Silent];
    let participant = Participant::new().answers("call", answers);
    let error = participant
        .run(Calling {})
        .await
        .expect_err("no attempt of the three answers");
    assert_eq!(*error.cause(), Cause::TimedOut { after: 3 * SECOND });
    assert_eq!(error.step(), Some("call"));
}

#[tokio::test(start_paused = true)]
async fn a_compensation_without_a_timeout_may_take_a_day() {
    if lacks(Capability::TheClockOfTheTest) {
        return;
    }
    let participant = Participant::new().answers("pay", [Answer::Refused]);
    let hold = participant.holds("undo reserve");
    let (ended, ()) = tokio::join!(participant.run(Calling {}), async {
        hold.arrived().await;
        advance(DAY).await;
        hold.release();
    });
    assert!(ended.expect_err("`pay` refuses").is_compensated());
    assert_eq!(participant.requests("undo reserve").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_compensation_that_does_not_answer_in_time_is_attempted_again() {
    let participant = Participant::new()
        .answers("pay", [Answer::Refused])
        .answers("undo call", [Answer::Silent, Answer::SilentButDone]);
    let error = participant
        .run(Calling {})
        .await
        .expect_err("`pay` refuses");
    assert!(error.is_compensated());
    assert_eq!(participant.requests("undo call").len(), 3);
    let waits = participant.waits("undo call");
    assert!(waits.iter().all(|wait| *wait >= 2 * SECOND), "{waits:?}");
    assert_eq!(participant.left(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_compensation_that_never_answers_fails_and_the_others_run() {
    let participant = Participant::new()
        .answers("pay", [Answer::Refused])
        .always("undo call", Answer::Silent);
    let error = participant
        .run(Calling {})
        .await
        .expect_err("`pay` refuses");
    let failures: Vec<_> = error
        .compensation_failures()
        .map(|(one, failure)| format!("{}: {failure}", one.call()))
        .collect();
    assert_eq!(failures, ["call: no answer within 2s (5 attempts)"]);
    assert_eq!(participant.left(), ["call"]);
}

/// A line that is closed when it is dropped.
struct Line<'a>(&'a Lines);

#[derive(Debug, Default)]
struct Lines(Mutex<Vec<&'static str>>);

impl Lines {
    fn note(&self, what: &'static str) {
        self.0
            .lock()
            .expect("nothing panics under the lock")
            .push(what);
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.0.note("closed");
    }
}

#[step(compensate = (), timeout = "1s", retry(attempts = 2))]
async fn listen(cx: Context<'_, Lines>) -> Result<(), Refusal> {
    cx.note("opened");
    let _line = Line(cx.services());
    std::future::pending().await
}

saga!(
    async fn listening(cx: Context<'_, Lines>) -> Result<(), Refusal> {
        listen(cx).await
    }
);

#[tokio::test(start_paused = true)]
async fn an_attempt_that_timed_out_is_dropped_before_the_next_begins() {
    let lines = Lines::default();
    let began = Instant::now();
    let error = ends(Listening {}.execute(&lines))
        .await
        .expect_err("no answer ever comes");
    assert_eq!(*error.cause(), Cause::TimedOut { after: SECOND });
    assert!(began.elapsed() >= 2 * SECOND);
    let noted = lines.0.into_inner().expect("nothing panics under the lock");
    assert_eq!(noted, ["opened", "closed", "opened", "closed"]);
}

#[tokio::test(start_paused = true)]
async fn a_saga_that_is_polled_late_still_takes_an_answer_that_was_there_in_time() {
    let participant = Participant::new();
    let hold = participant.holds("call");
    let mut running = Box::pin(InProcess::new(&participant).execute(Calling {}));
    tokio::select! {
        biased;
        _ = &mut running => unreachable!("`call` is held"),
        () = hold.arrived() => {}
    }
    hold.release();
    advance(DAY).await;
    running
        .await
        .expect("the answer was there before the limit");
    assert_eq!(participant.requests("call").len(), 1);
}
