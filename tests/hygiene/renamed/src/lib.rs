//! A crate of an older edition, without a prelude, that knows the runtime by another name and calls the steps of
//! another crate.

#![no_implicit_prelude]
#![deny(warnings)]
#![warn(missing_docs, unreachable_pub, clippy::pedantic)]

use ::saga_hygiene::steps::{reserve, Refused, Shop};
use ::sagas::{saga, sleep, step, try_join_all, Context};
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
    #[saga(crate = ::sagas, compensatable)]
    pub async fn reserve_double(
        cx: Context<'_, Shop>,
        name: String,
        count: u64,
    ) -> Result<String, Refused> {
        let count = double(cx, &count).await?;
        if count > 10 {
            return ::std::result::Result::Err(<Refused as ::std::default::Default>::default());
        }
        reserve(cx, &name, count).await
    }
);

saga!(
    /// Reserves many things.
    #[saga(crate = ::sagas, compensatable)]
    pub async fn reserve_many(
        cx: Context<'_, Shop>,
        names: ::std::vec::Vec<String>,
    ) -> Result<u64, Refused> {
        let mut total = 0;
        for name in &names {
            let (count, _) = try_join!(double(cx, &1), reserve(cx, name, 3))?;
            total += count;
        }
        try_join_all(2, &names, |name| reserve(cx, name, total)).await?;
        sleep(cx, ::std::time::Duration::from_millis(1)).await;
        reserve_double(cx, ::std::clone::Clone::clone(&names[0]), total).await?;
        Ok(total)
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
