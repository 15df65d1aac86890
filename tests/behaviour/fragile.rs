//! The user's code panics, in each place where it runs: no effect is forgotten, and no panic reaches the caller.

mod values;

use std::future::pending;
use std::time::Duration;

use saga_runtime::coordinator::Registrable;
use saga_runtime::{CompensationOutcome, Context, SagaError, saga, step, try_join_all};

use self::values::{Breaking, Failure, FragileError, FragileFuture, FragileInput, FragileOutput};
use crate::participant::{Answer, Participant, Refusal, act, resolve, undo};
use crate::steps::{pay, reserve};

/// What all fragile steps do.
async fn fragile(
    cx: Context<'_, Participant>,
    what: &str,
    input: FragileInput,
) -> Result<FragileOutput, FragileError> {
    let breaking = input.breaking;
    if breaking == Breaking::ErrorFrom {
        return Err(FragileError::definite(breaking));
    }
    let effect = act(cx, what).await.expect("it does what it is asked");
    match breaking {
        Breaking::Poll if cx.attempt() == 1 => panic!("broken"),
        Breaking::FutureDrop if cx.attempt() == 1 => {
            let _future = FragileFuture;
            pending().await
        }
        Breaking::ErrorDisplay | Breaking::ErrorDrop | Breaking::ErrorPredicate => {
            Err(FragileError::open(breaking))
        }
        _ => Ok(FragileOutput { effect, breaking }),
    }
}

/// What all compensations do.
async fn undo_fragile(
    cx: Context<'_, Participant>,
    what: &str,
    output: &FragileOutput,
) -> Result<(), FragileError> {
    break_undoing(cx, output.breaking).await?;
    undo(cx, what, &output.effect)
        .await
        .expect("it does what it is asked");
    Ok(())
}

async fn break_undoing(
    cx: Context<'_, Participant>,
    breaking: Breaking,
) -> Result<(), FragileError> {
    match breaking {
        Breaking::UndoPoll if cx.attempt() == 1 => panic!("broken"),
        Breaking::UndoFutureDrop if cx.attempt() == 1 => {
            let _future = FragileFuture;
            pending().await
        }
        Breaking::UndoErrorDisplay | Breaking::UndoErrorDrop => Err(FragileError::open(breaking)),
        _ => Ok(()),
    }
}

#[step(
    compensate = undo_charge,
    in_doubt(when = FragileError::is_open),
    compensation(timeout = "200ms")
)]
async fn charge(
    cx: Context<'_, Participant>,
    input: FragileInput,
) -> Result<FragileOutput, FragileError> {
    fragile(cx, "charge", input).await
}

async fn undo_charge(
    cx: Context<'_, Participant>,
    output: &FragileOutput,
) -> Result<(), FragileError> {
    undo_fragile(cx, "charge", output).await
}

#[step(
    compensate = undo_lend,
    timeout = "200ms",
    retry(attempts = 2, when = FragileError::is_open),
    in_doubt(when = FragileError::is_open),
    compensation(timeout = "200ms")
)]
async fn lend(
    cx: Context<'_, Participant>,
    input: FragileInput,
) -> Result<FragileOutput, FragileError> {
    fragile(cx, "lend", input).await
}

async fn undo_lend(
    cx: Context<'_, Participant>,
    output: &FragileOutput,
) -> Result<(), FragileError> {
    undo_fragile(cx, "lend", output).await
}

#[step(
    compensate = undo_rent,
    timeout = "200ms",
    retry(attempts = 1),
    in_doubt(when = FragileError::is_open, resolve = resolve_rent),
    compensation(timeout = "200ms")
)]
async fn rent(
    cx: Context<'_, Participant>,
    input: FragileInput,
) -> Result<FragileOutput, FragileError> {
    let breaking = input.breaking;
    let output = fragile(cx, "rent", input).await?;
    // What breaks the resolver is asked after something else has left the step in doubt.
    assert!(!breaking.is_of_undoing(), "in doubt");
    Ok(output)
}

async fn undo_rent(
    cx: Context<'_, Participant>,
    output: &FragileOutput,
) -> Result<(), FragileError> {
    undo_fragile(cx, "rent", output).await
}

async fn resolve_rent(
    cx: Context<'_, Participant>,
    input: FragileInput,
) -> Result<(), FragileError> {
    break_undoing(cx, input.breaking).await?;
    resolve(cx, "rent").await.expect("it does what it is asked");
    Ok(())
}

#[step(
    pivot,
    timeout = "200ms",
    retry(attempts = 3, backoff = "10ms..10ms", when = FragileError::is_open),
    in_doubt(when = FragileError::is_open)
)]
async fn ship(
    cx: Context<'_, Participant>,
    input: FragileInput,
) -> Result<FragileOutput, FragileError> {
    fragile(cx, "ship", input).await
}

#[step(retriable, timeout = "200ms", retry(backoff = "10ms..10ms"))]
async fn thank(
    cx: Context<'_, Participant>,
    breaking: Breaking,
) -> Result<FragileOutput, FragileError> {
    let breaking = if cx.attempt() == 1 {
        breaking
    } else {
        Breaking::Nothing
    };
    fragile(cx, "thank", FragileInput { breaking }).await
}

/// Is in flight while its neighbour breaks.
#[step(compensate = undo_pack)]
async fn pack(cx: Context<'_, Participant>) -> Result<FragileOutput, FragileError> {
    let input = FragileInput {
        breaking: Breaking::Nothing,
    };
    let output = fragile(cx, "pack", input).await?;
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    Ok(output)
}

async fn undo_pack(
    cx: Context<'_, Participant>,
    output: &FragileOutput,
) -> Result<(), FragileError> {
    undo_fragile(cx, "pack", output).await
}

saga!(
    async fn charging(cx: Context<'_, Participant>, breaking: Breaking) -> Result<(), Failure> {
        reserve(cx).await?;
        charge(cx, FragileInput { breaking }).await?;
        pay(cx).await?;
        Ok(())
    }
);

saga!(
    async fn lending(cx: Context<'_, Participant>, breaking: Breaking) -> Result<(), Failure> {
        reserve(cx).await?;
        lend(cx, FragileInput { breaking }).await?;
        pay(cx).await?;
        Ok(())
    }
);

saga!(
    async fn renting(cx: Context<'_, Participant>, breaking: Breaking) -> Result<(), Failure> {
        reserve(cx).await?;
        rent(cx, FragileInput { breaking }).await?;
        pay(cx).await?;
        Ok(())
    }
);

saga!(
    async fn shipping(cx: Context<'_, Participant>, breaking: Breaking) -> Result<(), Failure> {
        reserve(cx).await?;
        ship(cx, FragileInput { breaking }).await?;
        Ok(())
    }
);

saga!(
    async fn thanking(cx: Context<'_, Participant>, breaking: Breaking) -> Result<(), Failure> {
        reserve(cx).await?;
        thank(cx, breaking).await?;
        Ok(())
    }
);

saga!(
    async fn in_a_group(cx: Context<'_, Participant>, breaking: Breaking) -> Result<(), Failure> {
        reserve(cx).await?;
        try_join!(charge(cx, FragileInput { breaking }), pack(cx))?;
        pay(cx).await?;
        Ok(())
    }
);

saga!(
    async fn in_a_limited_group(
        cx: Context<'_, Participant>,
        breaking: Breaking,
    ) -> Result<(), Failure> {
        reserve(cx).await?;
        try_join!(lend(cx, FragileInput { breaking }), pack(cx))?;
        pay(cx).await?;
        Ok(())
    }
);

saga!(
    async fn fanned_out(cx: Context<'_, Participant>, breaking: Breaking) -> Result<(), Failure> {
        reserve(cx).await?;
        let items = [breaking, Breaking::Nothing, Breaking::Nothing];
        try_join_all(2, items, |breaking| charge(cx, FragileInput { breaking })).await?;
        pay(cx).await?;
        Ok(())
    }
);

saga!(
    async fn fanned_out_limited(
        cx: Context<'_, Participant>,
        breaking: Breaking,
    ) -> Result<(), Failure> {
        reserve(cx).await?;
        let items = [Breaking::Nothing, breaking, Breaking::Nothing];
        try_join_all(2, items, |breaking| lend(cx, FragileInput { breaking })).await?;
        pay(cx).await?;
        Ok(())
    }
);

saga!(
    async fn inside(cx: Context<'_, Participant>, breaking: Breaking) -> Result<(), Failure> {
        charging(cx, breaking).await?;
        Ok(())
    }
);

/// Runs the saga, after whose fragile step `pay` is refused, and checks that each effect is undone or named.
async fn nothing_is_forgotten<G>(saga: G, what: &str)
where
    G: Registrable<Participant, Output = (), Error = Failure>,
{
    let participant = Participant::new().answers("pay", [Answer::Refused]);
    let running = participant.clone();
    let ended = tokio::spawn(async move { running.run(saga).await }).await;
    let ended = match ended {
        Ok(ended) => ended,
        Err(panicked) => panic!("{what}: a panic reached the caller: {panicked}"),
    };
    let left = participant.left();
    match ended {
        Ok(()) => assert!(
            left == ["reserve", "ship"] || left == ["reserve", "thank"],
            "{what}: it has completed, and left {left:?}"
        ),
        Err(error) if error.is_compensated() => {
            assert_eq!(left, Vec::<String>::new(), "{what}: {error}");
        }
        Err(error) => {
            for effect in left {
                assert!(names(&error, &effect), "{what}: {error} forgets {effect}");
            }
        }
    }
}

/// Whether the error says that this effect is not undone.
fn names(error: &SagaError<Failure>, effect: &str) -> bool {
    let not_undone = error.compensations().iter().any(|one| {
        let is_open = matches!(
            one.outcome,
            CompensationOutcome::Failed(_) | CompensationOutcome::Pending
        );
        is_open && one.step.ends_with(effect)
    });
    let is_pivot = effect == "ship" || effect == "thank";
    not_undone
        || is_pivot
            && error
                .to_string()
                .contains("the pivot may have taken effect")
}

fn label(part: &str, breaking: Breaking) -> String {
    format!("{part}, {breaking:?}")
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_step_forgets_no_effect() {
    for breaking in Breaking::IN_TIME {
        nothing_is_forgotten(Charging { breaking }, &label("a step", breaking)).await;
        nothing_is_forgotten(Inside { breaking }, &label("a sub-saga", breaking)).await;
    }
    for breaking in Breaking::ALL {
        nothing_is_forgotten(Lending { breaking }, &label("a limited step", breaking)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_resolver_forgets_no_effect() {
    for breaking in Breaking::ALL {
        nothing_is_forgotten(Renting { breaking }, &label("a resolver", breaking)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_step_that_cant_be_undone_forgets_no_effect() {
    for breaking in Breaking::RECORDABLE {
        nothing_is_forgotten(Shipping { breaking }, &label("a pivot", breaking)).await;
        nothing_is_forgotten(Thanking { breaking }, &label("a retriable step", breaking)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_group_forgets_no_member() {
    for breaking in Breaking::IN_TIME {
        nothing_is_forgotten(InAGroup { breaking }, &label("a member", breaking)).await;
    }
    for breaking in Breaking::ALL {
        let what = label("a limited member", breaking);
        nothing_is_forgotten(InALimitedGroup { breaking }, &what).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_fan_out_forgets_no_item() {
    for breaking in Breaking::IN_TIME {
        nothing_is_forgotten(FannedOut { breaking }, &label("an item", breaking)).await;
    }
    for breaking in Breaking::ALL {
        let what = label("a limited item", breaking);
        nothing_is_forgotten(FannedOutLimited { breaking }, &what).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_panics_while_it_is_dropped_after_its_timeout_is_in_doubt_and_settled() {
    let participant = Participant::new();
    let breaking = Breaking::FutureDrop;
    participant
        .run(Shipping { breaking })
        .await
        .expect("the pivot is attempted again");
    assert_eq!(participant.asked(), ["reserve", "ship", "ship"]);
    let requests = participant.requests("ship");
    let waited = requests[1].at.saturating_sub(requests[0].at);
    assert!(waited >= Duration::from_millis(200), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn an_output_that_cant_be_copied_is_compensated_itself() {
    let participant = Participant::new();
    let breaking = Breaking::OutputClone;
    let error = participant
        .run(Charging { breaking })
        .await
        .expect_err("the output can't be copied");
    assert_eq!(error.step(), Some("charge"));
    assert_eq!(
        participant.asked(),
        ["reserve", "charge", "undo charge", "undo reserve"]
    );
    assert!(error.is_compensated());
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self(refusal.to_string())
    }
}
