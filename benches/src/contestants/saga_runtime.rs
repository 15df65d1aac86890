//! The saga on this library, in process.

use ::saga_runtime::{Context, saga, step};
use seq_macro::seq;

use super::Run;
use crate::cell::{Length, time};
use crate::work::{Refusal, Shop, Token, act, undo};

seq!(N in 1..=50 {
    #(
        #[step(compensate = compensate~N)]
        #[expect(clippy::unused_async, reason = "a real step awaits its service")]
        async fn step~N(cx: Context<'_, Shop>, input: &Token) -> Result<Token, Refusal> {
            act(&cx, N, *input)
        }

        async fn compensate~N(cx: Context<'_, Shop>, output: &Token) -> Result<(), Refusal> {
            undo(&cx, N, *output)
        }
    )*
});

seq!(N in 1..=3 {
    saga!(
        async fn three(cx: Context<'_, Shop>, start: Token) -> Result<Token, Refusal> {
            let token = start;
            #( let token = step~N(cx, &token).await?; )*
            Ok(token)
        }
    );
});

seq!(N in 1..=10 {
    saga!(
        async fn ten(cx: Context<'_, Shop>, start: Token) -> Result<Token, Refusal> {
            let token = start;
            #( let token = step~N(cx, &token).await?; )*
            Ok(token)
        }
    );
});

seq!(N in 1..=50 {
    saga!(
        async fn fifty(cx: Context<'_, Shop>, start: Token) -> Result<Token, Refusal> {
            let token = start;
            #( let token = step~N(cx, &token).await?; )*
            Ok(token)
        }
    );
});

pub(super) fn run(length: Length, shop: &'static Shop, count: u32) -> Run {
    match length {
        Length::Three => Box::pin(time(count, move |start| Three { start }.execute(shop))),
        Length::Ten => Box::pin(time(count, move |start| Ten { start }.execute(shop))),
        Length::Fifty => Box::pin(time(count, move |start| Fifty { start }.execute(shop))),
    }
}
