//! A step that is called outside of a saga, as a unit test calls it, is the plain function.

use std::time::Duration;

use saga_runtime::{Context, step};

use crate::participant::{Answer, Effect, Participant, Refusal, act, undo};

/// Adds its second input.
#[step(
    compensate = undo_add,
    timeout = "1s",
    retry(attempts = 3),
    in_doubt(when = Refusal::is_unclear)
)]
async fn add(
    cx: Context<'_, Participant>,
    amounts: &[u32],
    label: &str,
    extra: u32,
) -> Result<(String, Effect), Refusal> {
    let total: u32 = amounts.iter().sum();
    let effect = act(cx, "add").await?;
    Ok((format!("{label}: {}", total + extra), effect))
}

async fn undo_add(
    cx: Context<'_, Participant>,
    (_, effect): &(String, Effect),
) -> Result<(), Refusal> {
    undo(cx, "add", effect).await
}

#[step(pivot)]
async fn context_of(
    cx: Context<'_, Participant>,
) -> Result<(String, String, Option<String>, u32), Refusal> {
    Ok((
        cx.saga_id().to_string(),
        cx.saga_name().to_owned(),
        cx.step().map(str::to_owned),
        cx.attempt(),
    ))
}

#[tokio::test]
async fn it_returns_what_the_function_returns() {
    let participant = Participant::new();
    let (text, effect) = add(Context::for_test(&participant), &[1, 2], "sum", 3)
        .await
        .expect("nothing fails");
    assert_eq!(text, "sum: 6");
    assert_eq!(effect.what, "add");
}

#[tokio::test]
async fn it_does_nothing_until_it_is_awaited() {
    let participant = Participant::new();
    let call = add(Context::for_test(&participant), &[], "", 0);
    tokio::task::yield_now().await;
    assert_eq!(participant.asked(), Vec::<String>::new());
    call.await.expect("nothing fails");
    assert_eq!(participant.asked(), ["add"]);
}

#[tokio::test]
async fn its_error_is_the_function_s_own_and_nothing_is_retried_settled_or_undone() {
    for (answer, error) in [
        (Answer::Refused, Refusal::refused("add")),
        (Answer::UnclearButDone, Refusal::unclear("add")),
    ] {
        let participant = Participant::new().answers("add", [answer]);
        let ended = add(Context::for_test(&participant), &[], "", 0).await;
        assert_eq!(ended, Err(error));
        assert_eq!(participant.asked(), ["add"]);
    }
}

#[tokio::test(start_paused = true)]
async fn it_has_no_timeout() {
    let participant = Participant::new();
    let hold = participant.holds("add");
    let call = add(Context::for_test(&participant), &[], "", 0);
    let (ended, ()) = tokio::join!(call.into_future(), async {
        hold.arrived().await;
        tokio::time::advance(Duration::from_mins(1)).await;
        hold.release();
    });
    ended.expect("the policies of the step are those of sagas");
}

#[tokio::test]
async fn its_panic_is_the_caller_s() {
    let participant = Participant::new().answers("add", [Answer::Panics]);
    let task = tokio::spawn(async move {
        let _ = add(Context::for_test(&participant), &[], "", 0).await;
    });
    let failure = task.await.expect_err("the panic is not caught");
    assert!(failure.is_panic());
}

#[tokio::test]
async fn its_context_is_that_of_a_test() {
    let participant = Participant::new();
    let seen = context_of(Context::for_test(&participant)).await;
    let test = || "test".to_owned();
    assert_eq!(seen, Ok((test(), test(), None, 1)));
}

#[tokio::test]
async fn a_compensation_can_be_called_like_any_function() {
    let participant = Participant::new();
    let cx = Context::for_test(&participant);
    let added = add(cx, &[], "", 0).await.expect("nothing fails");
    assert_eq!(participant.left(), ["add"]);
    undo_add(cx, &added).await.expect("nothing fails");
    assert_eq!(participant.left(), Vec::<String>::new());
}

#[test]
fn it_shows_its_step_and_never_its_inputs() {
    let participant = Participant::new();
    let call = add(Context::for_test(&participant), &[], "hunter2", 0);
    assert_eq!(format!("{call:?}"), "Call { step: \"add\", .. }");
}
