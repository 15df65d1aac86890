//! A saga with every kind of step and branch, once for each way to compensate.

use std::panic::resume_unwind;

use saga_runtime::{Context, saga, step};
use serde::{Deserialize, Serialize};

use crate::participant::{Effect, Participant, Refusal, act, read, resolve, undo};

/// Which ways are taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Route {
    pub(super) detour: Detour,
    pub(super) turn: Turn,
    pub(super) commits: bool,
    pub(super) thanks: u32,
    pub(super) stumbles: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) enum Detour {
    None,
    Short,
    Long,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) enum Turn {
    Straight,
    Left,
    Right,
    Objects,
    Stumbles,
    Stops,
}

/// No policies at all.
#[step(compensate = undo_plain)]
async fn plain(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "plain").await
}

async fn undo_plain(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "plain", effect).await
}

/// Retried, and asked again when in doubt.
#[step(
    compensate = undo_asked,
    timeout = "1s",
    retry(attempts = 3, when = Refusal::is_busy),
    in_doubt(when = Refusal::is_unclear),
    compensation(timeout = "2s", retry(attempts = 3))
)]
async fn asked(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "asked").await
}

async fn undo_asked(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "asked", effect).await
}

/// Retried after any error, and resolved when in doubt.
#[step(
    compensate = undo_resolved,
    timeout = "1s",
    retry(attempts = 2),
    in_doubt(when = Refusal::is_unclear, resolve = resolve_resolved),
    compensation(timeout = "2s")
)]
async fn resolved(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "resolved").await
}

async fn undo_resolved(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "resolved", effect).await
}

async fn resolve_resolved(cx: Context<'_, Participant>) -> Result<(), Refusal> {
    resolve(cx, "resolved").await
}

#[step(compensate = (), timeout = "1s", in_doubt(when = Refusal::is_unclear))]
async fn peek(cx: Context<'_, Participant>) -> Result<(), Refusal> {
    read(cx, "peek").await
}

#[step(pivot, timeout = "1s", retry(attempts = 2), in_doubt(when = Refusal::is_unclear))]
async fn commit(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "commit").await
}

#[step(retriable, timeout = "1s", in_doubt(when = Refusal::is_unclear))]
async fn thank(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "thank").await
}

/// Without the text that panics print.
fn stumble() {
    resume_unwind(Box::new("stumbled"));
}

macro_rules! errands {
    (|$cx:ident, $route:ident| $body:tt $($saga:ident($($options:tt)*))+) => {
        $(saga!(
            #[saga($($options)*)]
            pub(super) async fn $saga(
                $cx: Context<'_, Participant>,
                $route: Route,
            ) -> Result<Vec<String>, Refusal> $body
        );)+
    };
}

errands! {
    |cx, route| {
        let first = plain(cx).await?;
        let mut done = vec![first.what];
        if matches!(route.detour, Detour::Short | Detour::Long) {
            done.push(asked(cx).await?.what);
            if let Detour::Long = route.detour {
                let long = resolved(cx).await?;
                done.push(long.what);
            }
        } else {
            peek(cx).await?;
        }
        match route.turn {
            Turn::Straight => {}
            Turn::Left => done.push(plain(cx).await?.what),
            Turn::Right => {
                let right = resolved(cx).await?;
                done.extend([right.what, asked(cx).await?.what]);
            }
            Turn::Objects => return Err(Refusal::objection("turned")),
            Turn::Stumbles => stumble(),
            Turn::Stops => return Ok(done),
        }
        let handled = match asked(cx).await {
            Ok(asked) => asked,
            Err(_) => match resolved(cx).await {
                Ok(resolved) => resolved,
                Err(_) => plain(cx).await?,
            },
        };
        done.push(handled.what);
        if route.commits {
            done.push(commit(cx).await?.what);
        }
        if route.thanks > 0 {
            done.push(thank(cx).await?.what);
        }
        if route.thanks > 1 {
            done.push(thank(cx).await?.what);
        }
        if route.stumbles {
            stumble();
        }
        Ok(done)
    }
    errand()
    errand_halting(on_compensation_failure = halt)
    errand_parallel(compensations = parallel)
}
