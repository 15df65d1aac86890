//! The large parts of a driver: the body of its saga, and the outputs that its compensations need.
//!
//! A release build holds them in the driver itself, so that a saga allocates nothing. A debug build copies a value each time that
//! a function hands it on, and each copy has a place of its own on the stack: large outputs would overflow that of a worker. There
//! they are in boxes.

#[cfg(debug_assertions)]
mod boxed {
    use std::pin::Pin;

    /// A value in a driver.
    pub(in crate::run) type Held<T> = Box<T>;

    /// A future in a driver.
    pub(in crate::run) type HeldFuture<F> = Pin<Box<F>>;

    #[expect(
        clippy::unnecessary_box_returns,
        reason = "the copies of the value are gone when it is in its box"
    )]
    pub(in crate::run) fn held<T>(value: T) -> Held<T> {
        Box::new(value)
    }

    pub(in crate::run) fn held_future<F>(future: F) -> HeldFuture<F> {
        Box::pin(future)
    }
}

#[cfg(not(debug_assertions))]
mod inline {
    /// A value in a driver.
    pub(in crate::run) type Held<T> = T;

    /// A future in a driver.
    pub(in crate::run) type HeldFuture<F> = F;

    #[inline(always)]
    pub(in crate::run) fn held<T>(value: T) -> Held<T> {
        value
    }

    #[inline(always)]
    pub(in crate::run) fn held_future<F>(future: F) -> HeldFuture<F> {
        future
    }
}

#[cfg(debug_assertions)]
pub(super) use boxed::*;
#[cfg(not(debug_assertions))]
pub(super) use inline::*;
