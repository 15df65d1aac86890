//! A crate of an older edition, without a prelude, that knows the runtime by another name and calls the steps of
//! another crate.

#![no_implicit_prelude]
#![deny(warnings)]
#![warn(missing_docs, unreachable_pub, clippy::pedantic)]

use ::saga_hygiene::steps::{reserve, Refused, Shop};
use ::sagas::{saga, step, Context};
use ::std::result::Result::{self, Ok};
use ::std::string::String;

/// Doubles something.
///
/// # Errors
/// Never.
#[step(compensate = (), crate = ::sagas)]
pub async fn double(_cx: Context<'_, Shop>, value: &u64) -> Result<u64, Refused> {
    Ok(*value * 2)
}

saga!(
    /// Doubles, then reserves.
    #[saga(crate = ::sagas)]
    pub async fn reserve_double(
        cx: Context<'_, Shop>,
        name: String,
        count: u64,
    ) -> Result<String, Refused> {
        let count = double(cx, &count).await?;
        if count > 10 {
            return ::std::result::Result::Err(::std::default::Default::default());
        }
        reserve(cx, &name, count).await
    }
);

/// Runs it.
///
/// # Errors
/// If it fails.
pub async fn run(shop: &Shop) -> Result<String, ::sagas::SagaError<Refused>> {
    let name = ::std::convert::From::from("chairs");
    ReserveDouble { name, count: 2 }.execute(shop).await
}
