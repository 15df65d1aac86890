//! The requests that steps, compensations and resolvers make.

use saga_runtime::Context;

use super::state::State;
use crate::engine::known;

use super::{Effect, Participant, Refusal, Request};

/// Asks for `what`, once per key.
pub(crate) async fn act(cx: Context<'_, Participant>, what: &str) -> Result<Effect, Refusal> {
    let acting = |state: &mut State, request: &Request| {
        let known = state.effects.iter().find(|(key, _)| *key == request.key);
        if let Some((_, effect)) = known {
            return effect.clone();
        }
        state.numbers += 1;
        let effect = Effect {
            what: request.what.clone(),
            number: state.numbers,
        };
        state.effects.push((request.key.clone(), effect.clone()));
        effect
    };
    cx.answer(request(cx, what.to_owned()), acting).await
}

/// Asks to undo `effect`, the input of a compensation of `what`.
pub(crate) async fn undo(
    cx: Context<'_, Participant>,
    what: &str,
    effect: &Effect,
) -> Result<(), Refusal> {
    let name = if effect.what == what {
        format!("undo {what}")
    } else {
        format!("undo {what} with the output of {}", effect.what)
    };
    let undone = |state: &mut State, request: &Request| {
        let same = |key: &str, other: &Effect| key == request.action_key && other == effect;
        state.effects.retain(|(key, other)| !same(key, other));
    };
    cx.answer(request(cx, name), undone).await
}

/// Asks to undo any effect under the step's key.
pub(crate) async fn resolve(cx: Context<'_, Participant>, what: &str) -> Result<(), Refusal> {
    let resolved = |state: &mut State, request: &Request| {
        state.effects.retain(|(key, _)| *key != request.action_key);
    };
    cx.answer(request(cx, format!("resolve {what}")), resolved)
        .await
}

/// Asks for `what`, which only reads.
pub(crate) async fn read(cx: Context<'_, Participant>, what: &str) -> Result<(), Refusal> {
    cx.answer(request(cx, what.to_owned()), |_, _| ()).await
}

fn request(cx: Context<'_, Participant>, what: String) -> Request {
    Request {
        what,
        key: known(cx.idempotency_key().as_str()),
        action_key: known(cx.action_key().as_str()),
        attempt: cx.attempt(),
        saga_id: known(cx.saga_id().as_str()),
        at: cx.since.elapsed(),
    }
}
