//! Values that can't be recorded, or would be read back as something else: the step is undone before the next request. An
//! error of the saga that can't be recorded is text for every caller.

use std::fmt;

use saga_runtime::{Cause, Context, SagaError, saga, step};
use serde::{Deserialize, Deserializer, Serialize};

use crate::capability::{Capability, lacks};
use crate::participant::{Effect, Participant, Refusal, act, undo};
use crate::steps::{pay, reserve};

/// The weights of the lines of a parcel.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Parcel {
    effect: Effect,
    lines: Vec<Line>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Line {
    grams: f64,
    #[serde(default, deserialize_with = "dozens")]
    count: u32,
}

/// Reads something else than what was written, unless it is a multiple of 12.
fn dozens<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    Ok(u32::deserialize(deserializer)? / 12 * 12)
}

#[step(compensate = undo_weigh)]
async fn weigh(cx: Context<'_, Participant>, grams: u64, count: u32) -> Result<Parcel, Refusal> {
    let effect = act(cx, "weigh").await?;
    let line = |grams, count| Line { grams, count };
    Ok(Parcel {
        effect,
        lines: vec![line(0.5, 12), line(f64::from_bits(grams), count)],
    })
}

async fn undo_weigh(cx: Context<'_, Participant>, parcel: &Parcel) -> Result<(), Refusal> {
    undo(cx, "weigh", &parcel.effect).await
}

#[step(compensate = ())]
async fn price(_cx: Context<'_, Participant>, parcel: &Parcel) -> Result<u64, Refusal> {
    Ok(parcel.lines[1].grams.to_bits())
}

saga!(
    async fn weighing(
        cx: Context<'_, Participant>,
        grams: u64,
        count: u32,
    ) -> Result<(u64, u64), Refusal> {
        reserve(cx).await?;
        let parcel = weigh(cx, grams, count).await?;
        let priced = price(cx, &parcel).await?;
        Ok((parcel.lines[1].grams.to_bits(), priced))
    }
);

saga!(
    async fn weighing_at_once(
        cx: Context<'_, Participant>,
        grams: u64,
        count: u32,
    ) -> Result<(), Refusal> {
        reserve(cx).await?;
        try_join!(weigh(cx, grams, count), pay(cx))?;
        Ok(())
    }
);

/// An error that can be written and not read, if its number is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Short {
    missing: f64,
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} are missing", self.missing)
    }
}

#[step(compensate = ())]
async fn count(_cx: Context<'_, Participant>, missing: u64) -> Result<(), Short> {
    Err(Short {
        missing: f64::from_bits(missing),
    })
}

saga!(
    async fn counting(cx: Context<'_, Participant>, missing: u64) -> Result<u64, Refusal> {
        reserve(cx).await?;
        match count(cx, missing).await {
            Ok(()) => Ok(0),
            Err(short) => Ok(short.missing.to_bits()),
        }
    }
);

/// An error with this number ends the saga.
fn short(missing: f64) -> impl Fn(Refusal) -> Short {
    move |_| Short { missing }
}

saga!(
    async fn falling_short(cx: Context<'_, Participant>, missing: u64) -> Result<(), Short> {
        reserve(cx).await.map_err(short(0.0))?;
        count(cx, missing).await?;
        Ok(())
    }
);

saga!(
    async fn complaining(cx: Context<'_, Participant>, letters: usize) -> Result<(), String> {
        reserve(cx).await.map_err(|refusal| refusal.to_string())?;
        Err("x".repeat(letters))
    }
);

fn unrecordable<E: fmt::Debug + fmt::Display>(error: &SagaError<E>) -> String {
    match error.cause() {
        Cause::Unrecordable { message } => message.clone(),
        _ => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_number_reaches_the_next_step_to_its_last_bit() {
    for grams in [117.633_313_944_000_17, 0.1 + 0.2, 5e-324, f64::MAX] {
        let grams = f64::to_bits(grams);
        let participant = Participant::new();
        let weighed = participant.run(Weighing { grams, count: 12 }).await;
        assert_eq!(weighed.expect("nothing fails"), (grams, grams));
    }
}

#[tokio::test]
async fn an_output_that_cant_be_read_back_is_undone_and_its_field_named() {
    let grams = f64::NAN.to_bits();
    let participant = Participant::new();
    let error = participant
        .run(Weighing { grams, count: 12 })
        .await
        .expect_err("the weight is no number");
    let message = unrecordable(&error);
    assert!(
        message.starts_with(
            "the output can't be recorded: `lines[1].grams` can't be read back: invalid type: null"
        ),
        "{message}"
    );
    assert_eq!(error.step(), Some("weigh"));
    assert_eq!(
        participant.asked(),
        ["reserve", "weigh", "undo weigh", "undo reserve"]
    );
    assert!(error.is_compensated());
}

#[tokio::test]
async fn an_output_that_is_read_back_as_another_is_undone_and_its_field_named() {
    let grams = f64::to_bits(1.0);
    let participant = Participant::new();
    let error = participant
        .run(Weighing { grams, count: 13 })
        .await
        .expect_err("13 is read back as 12");
    assert_eq!(
        unrecordable(&error),
        "the output can't be recorded: `lines[1].count` is read back as another value"
    );
    assert_eq!(participant.left(), Vec::<String>::new());
    assert!(error.is_compensated());
}

#[tokio::test]
async fn a_member_whose_output_cant_be_read_back_is_undone_with_the_others() {
    let grams = f64::INFINITY.to_bits();
    let participant = Participant::new();
    let error = participant
        .run(WeighingAtOnce { grams, count: 12 })
        .await
        .expect_err("the weight is no number");
    assert!(unrecordable(&error).contains("`lines[1].grams`"), "{error}");
    assert_eq!(participant.left(), Vec::<String>::new());
    assert!(error.is_compensated());
}

#[tokio::test]
async fn a_handled_error_is_the_one_that_is_read_back() {
    let missing = f64::to_bits(117.633_313_944_000_17);
    let participant = Participant::new();
    let counted = participant.run(Counting { missing }).await;
    assert_eq!(counted.expect("it handles the error"), missing);
    let missing = f64::NAN.to_bits();
    let participant = Participant::new();
    let error = participant
        .run(Counting { missing })
        .await
        .expect_err("the body can't be told this error in a replay");
    let message = unrecordable(&error);
    assert!(
        message.starts_with("the error can't be recorded: `missing` can't be read back"),
        "{message}"
    );
    assert!(error.to_string().contains(&message), "{error}");
    assert_eq!(participant.left(), Vec::<String>::new());
    assert!(error.is_compensated());
}

#[tokio::test]
async fn an_error_of_the_saga_that_cant_be_read_back_is_text_for_the_first_caller_as_well() {
    for (missing, is_text) in [(117.5, false), (f64::NAN, true), (f64::INFINITY, true)] {
        let participant = Participant::new();
        let missing_bits = missing.to_bits();
        let ended = participant.run(FallingShort {
            missing: missing_bits,
        });
        let error = ended.await.expect_err("something is missing");
        let expected = if is_text && !lacks(Capability::RecordsErrors) {
            let message = Short { missing }.to_string();
            Cause::Recorded { message }
        } else {
            Cause::Error(Short { missing })
        };
        // NaN is not equal to itself.
        let [got, expected] = [error.cause(), &expected].map(|cause| format!("{cause:?}"));
        assert_eq!(got, expected);
        assert_eq!(error.step(), Some("count"));
        assert_eq!(participant.asked(), ["reserve", "undo reserve"]);
        assert!(error.is_compensated());
    }
}

#[tokio::test]
async fn an_error_of_the_saga_that_is_too_large_is_text_for_the_first_caller_as_well() {
    // With its two quotes, the first one has 64 KiB.
    for (letters, is_text) in [(64 * 1024 - 2, false), (64 * 1024 - 1, true)] {
        let participant = Participant::new();
        let ended = participant.run(Complaining { letters });
        let error = ended.await.expect_err("it complains");
        let is_text = is_text && !lacks(Capability::RecordsErrors);
        match error.cause() {
            Cause::Error(text) if !is_text => assert_eq!(text.len(), letters),
            Cause::Recorded { message } if is_text => assert!(message.starts_with("xxx")),
            _ => panic!("{letters}: {}", error.cause().code()),
        }
        assert!(error.is_compensated());
    }
}
