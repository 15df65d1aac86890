//! What a saga waits for besides its steps: a time, or an event that somebody sends it.

mod call;
mod events;

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::Context;
use crate::error::Cause;

pub use call::{Awaited, Came, CameWithin, Never, Slept, Waits};
pub use events::Events;

/// The name of an event, and the type of what comes with it: the same constant where it is awaited and where it is sent.
///
/// ```
/// use saga_runtime::EventName;
///
/// const APPROVED: EventName<bool> = EventName::new("approved");
/// ```
pub struct EventName<T> {
    name: &'static str,
    of: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> EventName<T> {
    /// The event with this durable name: letters, digits, `_`, `-` and `.`.
    ///
    /// # Panics
    /// If the name has other characters, or none: in a constant, that is a compile error.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        let mut bytes = name.as_bytes();
        assert!(!bytes.is_empty(), "the name of an event is not empty");
        while let [byte, rest @ ..] = bytes {
            assert!(
                byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'),
                "the name of an event has letters, digits, `_`, `-` and `.`"
            );
            bytes = rest;
        }
        Self {
            name,
            of: PhantomData,
        }
    }

    /// The durable name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<T> Clone for EventName<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for EventName<T> {}

impl<T> fmt::Debug for EventName<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EventName").field(&self.name).finish()
    }
}

/// Waits in the body of a saga: `sleep(cx, Duration::from_hours(24)).await`.
///
/// On a journal the time when it is over is written down: a restart does not begin it anew. A saga that sleeps long is let
/// go of until then, and costs a row and no task. Somebody who cancels it wakes it.
pub fn sleep<S: ?Sized>(cx: Context<'_, S>, duration: Duration) -> Waits<Slept> {
    let _ = cx;
    Waits::new(Wait {
        event: None,
        limit: Some(duration),
    })
}

/// Waits in the body of a saga for an event, however long: `let approval = event(cx, APPROVED).await`.
///
/// [`Coordinator::send`](crate::Coordinator::send) sends it. It does not matter which comes first, and each event ends one
/// wait: the oldest the first.
pub fn event<S: ?Sized, T>(cx: Context<'_, S>, name: EventName<T>) -> Waits<Came<T>> {
    let _ = cx;
    Waits::new(Wait {
        event: Some(name.name),
        limit: None,
    })
}

/// Waits in the body of a saga for an event, but no longer than this: `None` if none has come.
pub fn event_within<S: ?Sized, T>(
    cx: Context<'_, S>,
    name: EventName<T>,
    limit: Duration,
) -> Waits<CameWithin<T>> {
    let _ = cx;
    Waits::new(Wait {
        event: Some(name.name),
        limit: Some(limit),
    })
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wait {
    /// The name of an event.
    pub event: Option<&'static str>,
    /// The longest time.
    pub limit: Option<Duration>,
}

/// How a wait ended.
#[derive(Debug)]
#[must_use]
pub enum WaitEnd<X> {
    /// The time is over.
    TimedOut,
    /// The event has come, and this is what came with it, as JSON.
    Received(String),
    /// The saga ends here for this cause.
    Stopped(Cause<Infallible>),
    /// The engine lets go of the saga.
    Suspended(X),
}
