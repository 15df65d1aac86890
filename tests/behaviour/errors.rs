//! The error that the caller of a failed saga gets.

mod line;

use std::error::Error;
use std::fmt;
use std::num::ParseIntError;

use saga_runtime::{Cause, Context, InProcess, SagaError, SagaId, saga, step};
use serde::{Deserialize, Serialize};

use crate::participant::{Answer, Effect, Participant, Refusal, act, read, undo};
use crate::steps::{pay, reserve, thank};

#[step(compensate = undo_wait, timeout = "1500ms")]
async fn wait(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "wait").await
}

async fn undo_wait(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "wait", effect).await
}

#[step(pivot, timeout = "1s")]
async fn jump(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "jump").await
}

#[step(compensate = ())]
async fn guess(cx: Context<'_, Participant>) -> Result<(), Refusal> {
    read(cx, "guess").await
}

saga!(
    #[saga(name = "buy-one", deadline = "1m")]
    async fn buying(cx: Context<'_, Participant>, objects: bool) -> Result<(), Refusal> {
        reserve(cx).await?;
        pay(cx).await?;
        guess(cx).await?;
        wait(cx).await?;
        if objects {
            return Err(Refusal::objection("too late"));
        }
        jump(cx).await?;
        thank(cx).await?;
        Ok(())
    }
);

async fn error_of(participant: Participant) -> SagaError<Refusal> {
    let buying = Buying { objects: false };
    let ended = participant.run_cancellable(buying).await;
    ended.expect_err("something fails")
}

#[tokio::test(start_paused = true)]
async fn it_is_compensated_only_if_nothing_is_left() {
    for (participant, compensated) in [
        (
            Participant::new().answers("reserve", [Answer::Refused]),
            true,
        ),
        (Participant::new().answers("guess", [Answer::Refused]), true),
        (
            Participant::new()
                .answers("guess", [Answer::Refused])
                .always("undo reserve", Answer::Refused),
            false,
        ),
        (Participant::new().always("wait", Answer::Panics), false),
        (
            Participant::new().always("jump", Answer::SilentButDone),
            false,
        ),
    ] {
        let buying = Buying { objects: false };
        let error = participant.run(buying).await.expect_err("something fails");
        assert_eq!(error.is_compensated(), compensated, "{error}");
        let nothing_left = participant.left().is_empty();
        assert!(nothing_left || !compensated, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_knows_the_saga_and_its_id_if_anybody_does() {
    let refusing = || Participant::new().answers("reserve", [Answer::Refused]);
    let participant = refusing();
    let id = SagaId::new("order-17").expect("a valid id");
    let error = InProcess::new(&participant)
        .saga_id(id.clone())
        .execute(Buying { objects: false })
        .await
        .expect_err("`reserve` is refused");
    assert_eq!(error.saga(), "buy-one");
    assert_eq!(error.id(), Some(&id));

    let participant = refusing();
    let error = Buying { objects: false }
        .execute(&participant)
        .await
        .expect_err("`reserve` is refused");
    let asked = &participant.requests("reserve")[0].saga_id;
    assert_eq!(error.id().map(SagaId::as_str), Some(asked.as_str()));
}

#[tokio::test(start_paused = true)]
async fn only_an_error_of_a_step_or_of_the_body_is_its_source() {
    let error = error_of(Participant::new().answers("pay", [Answer::Refused])).await;
    let source = error.source().expect("a refusal is an error");
    assert_eq!(
        source.downcast_ref::<Refusal>(),
        Some(&Refusal::refused("pay"))
    );

    for participant in [
        Participant::new().answers("wait", [Answer::Silent]),
        Participant::new().answers("guess", [Answer::Panics]),
        Participant::new().cancels_at("guess", 1),
    ] {
        let error = error_of(participant).await;
        assert!(error.source().is_none(), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_cause_can_be_taken_out_and_matched() {
    let error = error_of(Participant::new().answers("pay", [Answer::Refused])).await;
    let Cause::Error(refusal) = error.into_cause() else {
        unreachable!("`pay` was refused");
    };
    assert_eq!(refusal, Refusal::refused("pay"));
}

/// The error of a saga whose steps have errors of their own.
#[derive(Debug, Serialize, Deserialize)]
struct Unreadable(String, Option<NoNumber>);

/// Its source, which is recorded with it.
#[derive(Debug, Serialize, Deserialize)]
struct NoNumber(String);

impl fmt::Display for NoNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for NoNumber {}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not readable", self.0)
    }
}

impl Error for Unreadable {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1.as_ref().map(|inner| inner as _)
    }
}

impl From<Refusal> for Unreadable {
    fn from(refusal: Refusal) -> Self {
        Self(refusal.to_string(), None)
    }
}

saga!(
    async fn parsing(cx: Context<'_, Participant>, text: String) -> Result<u32, Unreadable> {
        reserve(cx).await?;
        let number = text.parse().map_err(|error: ParseIntError| {
            Unreadable(text.clone(), Some(NoNumber(error.to_string())))
        })?;
        pay(cx).await?;
        Ok(number)
    }
);

#[tokio::test]
async fn sources_go_all_the_way_down() {
    let participant = Participant::new();
    let text = "many".to_owned();
    let error = participant
        .run(Parsing { text })
        .await
        .expect_err("it is no number");
    assert_eq!(participant.asked(), ["reserve", "undo reserve"]);
    let mut chain = vec![error.to_string()];
    let mut source = error.source();
    while let Some(one) = source {
        chain.push(one.to_string());
        source = one.source();
    }
    assert_eq!(
        chain,
        [
            "saga `parsing` failed: many is not readable; compensated: `reserve`",
            "many is not readable",
            "invalid digit found in string",
        ]
    );
}

#[tokio::test]
async fn errors_of_steps_become_the_saga_s_by_the_question_mark() {
    let participant = Participant::new().answers("pay", [Answer::Refused]);
    let text = "17".to_owned();
    let error = participant
        .run(Parsing { text })
        .await
        .expect_err("`pay` is refused");
    assert_eq!(error.step(), Some("pay"));
    let Cause::Error(Unreadable(text, None)) = error.cause() else {
        unreachable!("`pay` was refused");
    };
    assert_eq!(text, "pay was refused");
}

#[tokio::test]
async fn it_is_an_error_like_any_other() {
    async fn buy(participant: &Participant) -> Result<(), Box<dyn Error + Send + Sync>> {
        Buying { objects: true }.execute(participant).await?;
        Ok(())
    }
    let error = buy(&Participant::new())
        .await
        .expect_err("the saga objects");
    assert!(error.is::<SagaError<Refusal>>());
}
