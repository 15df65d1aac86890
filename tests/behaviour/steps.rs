//! Steps without policies, one or two of each kind, for the sagas of every topic.

use saga_runtime::{Context, step};

use crate::participant::{Effect, Participant, Refusal, act, read, undo};

#[step(compensate = undo_reserve)]
pub(crate) async fn reserve(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "reserve").await
}

async fn undo_reserve(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "reserve", effect).await
}

#[step(compensate = undo_pay)]
pub(crate) async fn pay(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "pay").await
}

async fn undo_pay(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "pay", effect).await
}

#[step(compensate = undo_pack)]
pub(crate) async fn pack(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "pack").await
}

async fn undo_pack(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "pack", effect).await
}

#[step(compensate = ())]
pub(crate) async fn look(cx: Context<'_, Participant>) -> Result<(), Refusal> {
    read(cx, "look").await
}

#[step(pivot)]
pub(crate) async fn ship(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "ship").await
}

#[step(retriable)]
pub(crate) async fn thank(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "thank").await
}
