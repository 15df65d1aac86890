//! The user's code, called in a way that lets no panic out: a panic becomes a value of the caller.
//!
//! # Where the user's code runs
//! Each place is one of these, and each has a row in `tests/behaviour/fragile.rs`.
//!
//! | the code | where it runs | a panic in it |
//! |---|---|---|
//! | a step's function, `poll` | [`first_attempt`](crate::run), `attempts/attempt.rs` | ends the attempt in doubt |
//! | a step's future, `Drop` after a timeout | `attempts/attempt.rs` | ends the attempt in doubt |
//! | a compensation or a resolver, `poll` and `Drop` | `attempts/attempt.rs`, `run/unwind.rs` | fails the attempt, which is made again |
//! | an input, `Clone` for an attempt | `run/first_attempt.rs`, `run/step.rs` | ends the attempt in doubt |
//! | an input, `Drop` when the call has ended | `run/group.rs`, `run/fan_out.rs`, `attempts/pending.rs` | has no effect; in the body it is a panic of the body |
//! | an input, `Serialize` for its digest | `language/digest.rs` | leaves the call without a digest |
//! | an output, `Clone` for the compensation | `run/first_attempt.rs`, `run/callable.rs` | fails the saga; the original is compensated |
//! | an output, `Drop` of the copy | `run/slots.rs` | has no effect |
//! | an output, `Serialize` and `Deserialize` | `language/payload.rs` | makes the output unrecordable, and the step is compensated |
//! | an error, `Display` | [`text`], everywhere | replaces the text by one that says so |
//! | an error, `Serialize` and `Deserialize` | `language/payload.rs` | makes the error unrecordable |
//! | an error, `Drop` | `attempts/pending.rs` | has no effect |
//! | the predicates of `retry(when)` and `in_doubt(when)` | `attempts/decision.rs` | takes nothing for granted: not transient, in doubt |
//! | the body: `From` of errors, closures of a fan-out, destructors | `run/body.rs` | fails the saga at that point |
//! | the body's values, `Drop` after a step has stopped the saga | `run/body.rs` | has no effect |
//! | an event's value, `Deserialize` | `run/wait.rs` | fails the saga at that point |
//! | a saga's input, `Serialize` and `Deserialize` | `coordinator.rs`, `coordinator/registry.rs` | rejects the start; parks a recorded saga |
//! | a saga's output or error, `Drop` where no caller takes it | `coordinator/task.rs` | has no effect |
//! | the value that a panic carries, `Drop` | [`message`] | has no effect |
//!
//! The library calls neither `Debug`, `PartialEq` nor `Hash` of a value of the user's. Backoffs and policies are constants.

use std::any::Any;
use std::fmt::Display;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{self, Poll};

use pin_project_lite::pin_project;

/// Returns the text of a panic, and drops the panic.
#[cold]
pub(crate) fn message(panic: Box<dyn Any + Send>) -> String {
    let text = if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "a value that is no text".to_owned()
    };
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        // Its destructor panicked. What it panicked with may do so as well.
        mem::forget(second);
    }
    text
}

/// Calls the user's code. The error is the text of its panic.
#[inline]
pub(crate) fn caught<T>(code: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(code)).map_err(message)
}

/// Polls the user's future once. The error is the text of its panic.
#[cfg_attr(not(debug_assertions), inline(always))]
pub(crate) fn poll_caught<F>(
    future: Pin<&mut F>,
    cx: &mut task::Context<'_>,
) -> Poll<Result<F::Output, String>>
where
    F: Future + ?Sized,
{
    match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(panic) => Poll::Ready(Err(message(panic))),
    }
}

/// Drops a value of the user's. A panic of its destructor has no effect: the panic hook has shown it.
#[inline]
pub(crate) fn drop_caught<T>(value: T) {
    if mem::needs_drop::<T>() {
        let _ = caught(|| drop(value));
    }
}

/// Replaces a value of the user's. The old one is dropped like by [`drop_caught`].
#[inline]
pub(crate) fn replace_caught<T>(place: &mut T, value: T) {
    drop_caught(mem::replace(place, value));
}

/// Returns the text of a value of the user's. A panic of its code is the text.
#[must_use]
pub fn text(value: &(impl Display + ?Sized)) -> String {
    caught(|| value.to_string())
        .unwrap_or_else(|panic| format!("an error whose text can't be shown: panicked: {panic}"))
}

pin_project! {
    /// The user's future, which is polled and dropped here: no panic leaves it.
    #[must_use]
    pub(crate) struct Caught<F> {
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for Caught<F> {
        fn drop(this: Pin<&mut Self>) {
            this.discard();
        }
    }
}

/// Takes the user's future. It gives the output, or the text of a panic.
#[inline]
pub(crate) fn contain<F: Future>(future: F) -> Caught<F> {
    Caught {
        future: Some(future),
    }
}

impl<F> Caught<F> {
    /// Drops the future where it is, and returns the text of the panic of its destructor.
    #[inline]
    pub(crate) fn discard(self: Pin<&mut Self>) -> Option<String> {
        let mut future = self.project().future;
        if future.is_none() {
            return None;
        }
        caught(|| future.set(None)).err()
    }
}

impl<F: Future> Future for Caught<F> {
    type Output = Result<F::Output, String>;

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let Some(future) = self.as_mut().project().future.as_pin_mut() else {
            return Poll::Pending;
        };
        let polled = poll_caught(future, cx);
        if polled.is_ready() {
            self.discard();
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::{pending, ready};
    use std::panic::panic_any;
    use std::pin::pin;
    use std::task::Waker;

    use super::*;

    /// Panics when it is dropped, and counts that.
    struct Fragile<'a>(&'a Cell<u32>);

    impl Drop for Fragile<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
            panic!("dropped");
        }
    }

    struct FragilePanic;

    impl Drop for FragilePanic {
        fn drop(&mut self) {
            panic!("the panic itself");
        }
    }

    #[test]
    fn a_panic_that_panics_when_it_is_dropped_is_a_text() {
        let caught = caught(|| panic_any(FragilePanic));
        assert_eq!(caught, Err("a value that is no text".to_owned()));
    }

    #[test]
    fn a_future_that_panics_when_it_is_dropped_is_dropped_once() {
        let drops = Cell::new(0);
        let fragile = Fragile(&drops);
        let mut future = pin!(contain(async move {
            let _fragile = &fragile;
            pending::<()>().await;
        }));
        let mut cx = task::Context::from_waker(Waker::noop());
        assert!(future.as_mut().poll(&mut cx).is_pending());
        assert_eq!(future.as_mut().discard(), Some("dropped".to_owned()));
        assert_eq!(future.as_mut().discard(), None);
        assert_eq!(drops.get(), 1);
    }

    #[test]
    fn what_a_future_gives_stays_when_its_destructor_panics() {
        struct Giving<'a>(#[expect(dead_code, reason = "it is dropped")] Fragile<'a>);

        impl Future for Giving<'_> {
            type Output = u8;

            fn poll(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<u8> {
                Poll::Ready(7)
            }
        }

        let drops = Cell::new(0);
        let mut cx = task::Context::from_waker(Waker::noop());
        let mut future = pin!(contain(Giving(Fragile(&drops))));
        assert_eq!(future.as_mut().poll(&mut cx), Poll::Ready(Ok(7)));
        assert_eq!(drops.get(), 1);
        let mut future = pin!(contain(ready(8)));
        assert_eq!(future.as_mut().poll(&mut cx), Poll::Ready(Ok(8)));
    }

    #[test]
    fn an_error_without_a_text_says_so() {
        struct Speechless;

        impl Display for Speechless {
            fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                panic!("no words");
            }
        }

        assert_eq!(
            text(&Speechless),
            "an error whose text can't be shown: panicked: no words"
        );
        assert_eq!(text(&"words"), "words");
    }
}
