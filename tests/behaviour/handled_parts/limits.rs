//! What is not handled: it ends the whole saga.

use std::time::Duration;

use saga_runtime::{Cause, Context, saga, step};

use super::{Selling, other};
use crate::participant::{Answer, Effect, Participant, Refusal, act, read, undo};
use crate::steps::{look, pack, pay, reserve};

#[tokio::test(start_paused = true)]
async fn a_part_that_can_not_be_undone_ends_the_whole_saga() {
    let participant = Participant::new()
        .answers("look", [Answer::Refused])
        .always("undo pack", Answer::Refused);
    let error = participant.run(Selling {}).await.expect_err("`pack` stays");
    let message = "look was refused".to_owned();
    assert_eq!(*error.cause(), Cause::NotUndone { message });
    assert_eq!(error.step(), Some("packing/look"));
    let failed: Vec<_> = error
        .compensation_failures()
        .map(|(one, _)| &*one.step)
        .collect();
    assert_eq!(failed, ["packing/pack"]);
    // The rest is undone as always.
    assert_eq!(participant.left(), ["pack"]);
    assert_eq!(participant.requests("other"), []);
    assert_eq!(participant.requests("undo reserve").len(), 1);
    assert_eq!(participant.requests("undo pay").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_compensation_of_a_part_is_retried() {
    let participant = Participant::new()
        .answers("look", [Answer::Refused])
        .answers("undo pack", [Answer::Busy, Answer::Unclear]);
    let from = participant.run(Selling {}).await;
    assert_eq!(from.expect("it is undone in the end"), "other");
    assert_eq!(participant.requests("undo pack").len(), 3);
    assert_eq!(participant.left(), ["pay", "other", "ship"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_not_handled() {
    for (step, answer) in [("look", Answer::Panics), ("pack", Answer::PanicsButDone)] {
        let participant = Participant::new().always(step, answer);
        let error = participant.run(Selling {}).await.expect_err("it panics");
        assert!(matches!(error.cause(), Cause::Panicked { .. }), "{error}");
        assert_eq!(participant.requests("other"), [], "{step}");
        assert_eq!(participant.requests("undo pay").len(), 1, "{step}");
    }
}

#[tokio::test]
async fn a_cancellation_is_not_handled() {
    let participant = Participant::new().cancels_at("pack", 1);
    let error = participant.run_cancellable(Selling {}).await;
    let error = error.expect_err("it is cancelled");
    assert_eq!(*error.cause(), Cause::Cancelled);
    assert!(error.is_compensated());
    assert_eq!(participant.requests("other"), []);
    assert_eq!(participant.left(), Vec::<String>::new());
}

#[tokio::test]
async fn a_cancellation_while_a_part_is_undone_ends_the_saga_behind_it() {
    let participant = Participant::new()
        .answers("look", [Answer::Refused])
        .cancels_at("undo pack", 1);
    let error = participant.run_cancellable(Selling {}).await;
    let error = error.expect_err("it is cancelled");
    assert_eq!(*error.cause(), Cause::Cancelled);
    assert!(error.is_compensated());
    assert_eq!(participant.requests("other"), []);
    for undone in ["undo pack", "undo reserve", "undo pay"] {
        assert_eq!(participant.requests(undone).len(), 1, "{undone}");
    }
    assert_eq!(participant.left(), Vec::<String>::new());
}

#[step(compensate = undo_unclear, timeout = "1s", in_doubt(when = Refusal::is_unclear))]
async fn unclear(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "unclear").await
}

async fn undo_unclear(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "unclear", effect).await
}

saga!(
    #[saga(compensatable)]
    async fn asking(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        unclear(cx).await?;
        Ok(())
    }
);

saga!(
    async fn in_doubt(cx: Context<'_, Participant>) -> Result<bool, Refusal> {
        pay(cx).await?;
        let is_sure = asking(cx).await.is_ok();
        other(cx).await?;
        Ok(is_sure)
    }
);

#[tokio::test(start_paused = true)]
async fn a_step_in_doubt_is_settled_before_the_part_is_undone() {
    let participant = Participant::new().answers("unclear", [Answer::UnclearButDone]);
    let is_sure = participant.run(InDoubt {}).await;
    assert!(!is_sure.expect("it is handled"));
    assert_eq!(
        participant.asked(),
        [
            "pay",
            "reserve",
            "unclear",
            "unclear",
            "undo unclear",
            "undo reserve",
            "other"
        ]
    );
    assert_eq!(participant.left(), ["pay", "other"]);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_stays_in_doubt_ends_the_whole_saga() {
    let participant = Participant::new().always("unclear", Answer::Unclear);
    let error = participant
        .run(InDoubt {})
        .await
        .expect_err("nothing is sure");
    let message = "unclear was unclear".to_owned();
    assert_eq!(*error.cause(), Cause::NotUndone { message });
    assert!(!error.is_compensated());
    assert_eq!(participant.requests("other"), []);
    assert_eq!(participant.left(), Vec::<String>::new());
}

saga!(
    #[saga(compensatable)]
    async fn panicking(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        pack(cx).await?;
        panic!("by itself");
    }
);

saga!(
    async fn around_a_panic(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        pay(cx).await?;
        if panicking(cx).await.is_err() {
            other(cx).await?;
        }
        Ok(())
    }
);

#[tokio::test]
async fn a_panic_in_the_code_of_the_part_is_not_handled() {
    let participant = Participant::new();
    let error = participant
        .run(AroundAPanic {})
        .await
        .expect_err("it panics");
    assert!(matches!(error.cause(), Cause::Panicked { .. }), "{error}");
    assert_eq!(
        participant.asked(),
        ["pay", "pack", "undo pack", "undo pay"]
    );
}

saga!(
    #[saga(on_compensation_failure = halt)]
    async fn halting(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        pay(cx).await?;
        if super::packing(cx).await.is_err() {
            other(cx).await?;
        }
        Ok(())
    }
);

#[tokio::test(start_paused = true)]
async fn the_options_of_the_outermost_saga_hold_in_a_part() {
    let participant = Participant::new()
        .answers("look", [Answer::Refused])
        .always("undo pack", Answer::Refused);
    let error = participant.run(Halting {}).await.expect_err("`pack` stays");
    assert_eq!(participant.requests("undo reserve"), []);
    assert_eq!(participant.requests("undo pay"), []);
    assert!(!error.is_compensated());
    assert_eq!(participant.left(), ["pay", "reserve", "pack"]);
}

#[step(compensate = undo_told)]
async fn told(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "told").await
}

async fn undo_told(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    let why = cx.failure().map(ToString::to_string);
    read(cx, &format!("why: {}", why.unwrap_or_default())).await?;
    undo(cx, "told", effect).await
}

saga!(
    #[saga(compensatable)]
    async fn telling(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        told(cx).await?;
        look(cx).await?;
        Ok(())
    }
);

saga!(
    async fn told_twice(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        told(cx).await?;
        let _ = telling(cx).await;
        let _ = try_join!(told(cx), pay(cx));
        pack(cx).await?;
        Ok(())
    }
);

#[tokio::test]
async fn a_compensation_sees_the_failure_of_its_part() {
    let participant = Participant::new()
        .answers("look", [Answer::Refused])
        .answers("pay", [Answer::Refused])
        .answers("pack", [Answer::Refused]);
    participant
        .run(ToldTwice {})
        .await
        .expect_err("`pack` is refused");
    let asked = participant.asked();
    let undone: Vec<_> = asked
        .iter()
        .filter(|what| what.starts_with("why"))
        .collect();
    assert_eq!(
        undone,
        [
            "why: `telling/look` failed: look was refused",
            "why: `pay` failed: pay was refused",
            "why: `pack` failed: pack was refused",
        ]
    );
}

saga!(
    #[saga(deadline = "1m")]
    async fn late(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        pay(cx).await?;
        if waiting(cx).await.is_err() {
            other(cx).await?;
        }
        Ok(())
    }
);

saga!(
    #[saga(compensatable)]
    async fn waiting(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        pack(cx).await?;
        saga_runtime::sleep(cx, Duration::from_hours(1)).await;
        Ok(())
    }
);

#[tokio::test(start_paused = true)]
async fn a_deadline_is_not_handled() {
    if crate::capability::lacks(crate::capability::Capability::TheClockOfTheTest) {
        return;
    }
    let participant = Participant::new();
    let error = participant.run(Late {}).await.expect_err("it is too late");
    assert_eq!(*error.cause(), Cause::DeadlineExceeded);
    assert_eq!(
        participant.asked(),
        ["pay", "pack", "undo pack", "undo pay"]
    );
}
