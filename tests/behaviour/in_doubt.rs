//! Steps in doubt. The engine finds out whether they had an effect, or undoes them.

mod asked_again;
mod by_key;
mod pivot;
mod resolved;
mod transient;

use saga_runtime::{Context, step};

use crate::participant::{Answer, Effect, Participant, Refusal, act, resolve, undo};

/// Every answer that leaves a step in doubt, with and without an effect.
const DOUBTS: [Answer; 6] = [
    Answer::Unclear,
    Answer::UnclearButDone,
    Answer::Silent,
    Answer::SilentButDone,
    Answer::Panics,
    Answer::PanicsButDone,
];

/// Asked again when in doubt.
#[step(
    compensate = undo_transfer,
    timeout = "1s",
    in_doubt(when = Refusal::is_unclear)
)]
async fn transfer(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "transfer").await
}

async fn undo_transfer(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "transfer", effect).await
}

/// Asked again when in doubt, and attempted three times before there is one.
#[step(
    compensate = undo_deposit,
    timeout = "1s",
    retry(attempts = 3, backoff = "10s..10s", when = Refusal::is_busy),
    in_doubt(when = Refusal::is_unclear)
)]
async fn deposit(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "deposit").await
}

async fn undo_deposit(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "deposit", effect).await
}

/// Resolved when in doubt, and attempted three times before there is one.
#[step(
    compensate = undo_order,
    timeout = "1s",
    retry(attempts = 3, backoff = "10s..10s", when = Refusal::is_busy),
    in_doubt(when = Refusal::is_unclear, resolve = resolve_order),
    compensation(timeout = "2s")
)]
async fn order(
    cx: Context<'_, Participant>,
    item: &str,
    pieces: Vec<u32>,
) -> Result<Effect, Refusal> {
    assert_eq!((item, &*pieces), ("chair", &[1, 2][..]));
    act(cx, "order").await
}

async fn undo_order(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "order", effect).await
}

async fn resolve_order(
    cx: Context<'_, Participant>,
    item: &str,
    pieces: Vec<u32>,
) -> Result<(), Refusal> {
    assert_eq!((item, &*pieces), ("chair", &[1, 2][..]));
    resolve(cx, "order").await
}
