//! What one writes without a library: nested matches, each with the compensation of its own step.

use super::Run;
use crate::cell::{Length, time};
use crate::work::{Refusal, Shop, Token, act, undo};

/// Why the saga ended early, and how much of it could not be undone.
struct Failure {
    #[expect(dead_code, reason = "a caller would read it")]
    cause: Refusal,
    left_open: usize,
}

#[expect(clippy::unused_async, reason = "a real step awaits its service")]
async fn step<const ORDINAL: usize>(shop: &Shop, input: &Token) -> Result<Token, Refusal> {
    act(shop, ORDINAL, *input)
}

#[expect(
    clippy::unused_async,
    reason = "a real compensation awaits its service"
)]
async fn compensate<const ORDINAL: usize>(shop: &Shop, output: &Token) -> Result<(), Refusal> {
    undo(shop, ORDINAL, *output)
}

// `nested!(shop, start; 1 2)` expands to:
//
//     match step::<1>(shop, &start).await {
//         Err(cause) => Err(Failure { cause, left_open: 0 }),
//         Ok(first) => match match step::<2>(shop, &first).await {
//             Err(cause) => Err(Failure { cause, left_open: 0 }),
//             Ok(second) => Ok(second),
//         } {
//             Ok(last) => Ok(last),
//             Err(mut failure) => {
//                 if compensate::<1>(shop, &first).await.is_err() {
//                     failure.left_open += 1;
//                 }
//                 Err(failure)
//             }
//         },
//     }
macro_rules! nested {
    ($shop:ident, $input:ident; $last:literal) => {
        match step::<$last>($shop, &$input).await {
            Err(cause) => Err(Failure { cause, left_open: 0 }),
            Ok(output) => Ok(output),
        }
    };
    ($shop:ident, $input:ident; $ordinal:literal $($later:literal)+) => {
        match step::<$ordinal>($shop, &$input).await {
            Err(cause) => Err(Failure { cause, left_open: 0 }),
            Ok(output) => match nested!($shop, output; $($later)+) {
                Ok(last) => Ok(last),
                Err(mut failure) => {
                    if compensate::<$ordinal>($shop, &output).await.is_err() {
                        failure.left_open += 1;
                    }
                    Err(failure)
                }
            },
        }
    };
}

async fn three(shop: &Shop, start: Token) -> Result<Token, Failure> {
    nested!(shop, start; 1 2 3)
}

async fn ten(shop: &Shop, start: Token) -> Result<Token, Failure> {
    nested!(shop, start; 1 2 3 4 5 6 7 8 9 10)
}

async fn fifty(shop: &Shop, start: Token) -> Result<Token, Failure> {
    nested!(shop, start;
        1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25
        26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50)
}

pub(super) fn run(length: Length, shop: &'static Shop, count: u32) -> Run {
    match length {
        Length::Three => Box::pin(time(count, move |start| three(shop, start))),
        Length::Ten => Box::pin(time(count, move |start| ten(shop, start))),
        Length::Fifty => Box::pin(time(count, move |start| fifty(shop, start))),
    }
}
