//! What a saga waits for besides its steps: a time, or an event that somebody sends it.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::language::Part;
use crate::meta::{Kind, StepMeta};
use crate::place::Context;
use crate::shape::{Node, WaitFor};

/// The name of an event, and the type of what comes with it: the same constant where it is awaited and where it is sent.
///
/// ```
/// use saga_runtime::EventName;
///
/// const APPROVED: EventName<bool> = EventName::new("approved");
/// ```
///
/// The name is checked when the constant is:
///
/// ```compile_fail,E0080
/// # use saga_runtime::EventName;
/// const APPROVED: EventName<bool> = EventName::new("is approved");
/// ```
pub struct EventName<T> {
    name: &'static str,
    write: fn(&T) -> serde_json::Result<String>,
    read: EventReader<T>,
}

/// How what came with an event is read.
pub(crate) type EventReader<T> = fn(&str) -> serde_json::Result<T>;

/// What can come with an event: it is written down.
#[diagnostic::on_unimplemented(
    message = "`{Self}` comes with an event, so it has to be `Serialize + Deserialize`",
    label = "this is written down when the event is sent",
    note = "put `#[derive(serde::Serialize, serde::Deserialize)]` on `{Self}`"
)]
pub trait Sendable: Sized {
    /// Writes it as JSON.
    ///
    /// # Errors
    /// If it can't be written.
    fn to_json(&self) -> serde_json::Result<String>;

    /// Reads it again.
    ///
    /// # Errors
    /// If this is something else.
    fn from_json(json: &str) -> serde_json::Result<Self>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Sendable for T {
    fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    fn from_json(json: &str) -> serde_json::Result<Self> {
        serde_json::from_str(json)
    }
}

impl<T: Sendable> EventName<T> {
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
            write: T::to_json,
            read: T::from_json,
        }
    }
}

impl<T> EventName<T> {
    /// The durable name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What comes with it, as JSON.
    pub(crate) fn write(&self, value: &T) -> serde_json::Result<String> {
        (self.write)(value)
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

/// Waits in the body of a saga: `sleep(cx, Duration::from_secs(24 * 60 * 60)).await`.
///
/// On a journal the time when it is over is written down: a restart does not begin it anew. A saga that sleeps long is let
/// go of until then, and costs a row and no task. Somebody who cancels it wakes it.
pub fn sleep<S: ?Sized>(cx: Context<'_, S>, duration: Duration) -> Waits<Slept> {
    let _ = cx;
    let wait = Wait {
        event: None,
        limit: Some(duration),
    };
    Waits::new(wait, ())
}

/// Waits in the body of a saga for an event, however long: `let approval = event(cx, APPROVED).await`.
///
/// [`Coordinator::send`](crate::Coordinator::send) sends it. It does not matter which comes first, and each event ends one
/// wait: the oldest the first.
pub fn event<S: ?Sized, T: Send + 'static>(
    cx: Context<'_, S>,
    name: EventName<T>,
) -> Waits<Came<T>> {
    let _ = cx;
    let wait = Wait {
        event: Some(name.name),
        limit: None,
    };
    Waits::new(wait, name.read)
}

/// Waits in the body of a saga for an event, but no longer than this: `None` if none has come.
pub fn event_within<S: ?Sized, T: Send + 'static>(
    cx: Context<'_, S>,
    name: EventName<T>,
    limit: Duration,
) -> Waits<CameWithin<T>> {
    let _ = cx;
    let wait = Wait {
        event: Some(name.name),
        limit: Some(limit),
    };
    Waits::new(wait, name.read)
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

/// What a wait gives.
pub trait Awaited: Part {
    /// What the body gets.
    type Output: Send;

    /// How what came with an event is read.
    type EventReader: Copy + Send;

    /// The output, if the event has come with this, or the time is over.
    ///
    /// # Errors
    /// If it can't be read.
    fn output(
        reader: Self::EventReader,
        received: Option<&str>,
    ) -> serde_json::Result<Self::Output>;
}

/// A time has passed.
#[derive(Debug)]
pub enum Slept {}

/// An event has come.
#[derive(Debug)]
pub struct Came<T>(PhantomData<fn() -> T>);

/// An event has come, or a time has passed.
#[derive(Debug)]
pub struct CameWithin<T>(PhantomData<fn() -> T>);

macro_rules! parts {
    ($([$($T:ident)?] $part:ty: $name:literal;)+) => {$(
        impl$(<$T: Send + 'static>)? Part for $part {
            const PART: StepMeta = StepMeta::new($name, Kind::NothingToUndo);

            type Kind = crate::language::kind::Waiting;

            fn node() -> Node {
                Node::Wait(WaitFor { name: $name, what: $name })
            }
        }
    )+};
}

parts! {
    [] Slept: "sleep";
    [T] Came<T>: "event";
    [T] CameWithin<T>: "event";
}

impl Awaited for Slept {
    type Output = ();
    type EventReader = ();

    fn output((): (), _: Option<&str>) -> serde_json::Result<()> {
        Ok(())
    }
}

impl<T: Send + 'static> Awaited for Came<T> {
    type Output = T;
    type EventReader = EventReader<T>;

    fn output(reader: EventReader<T>, received: Option<&str>) -> serde_json::Result<T> {
        reader(received.unwrap_or_default())
    }
}

impl<T: Send + 'static> Awaited for CameWithin<T> {
    type Output = Option<T>;
    type EventReader = EventReader<T>;

    fn output(reader: EventReader<T>, received: Option<&str>) -> serde_json::Result<Option<T>> {
        received.map(reader).transpose()
    }
}

/// A wait that is called in the body of a saga. Nothing has begun yet.
#[must_use = "a saga does not wait until this is awaited"]
pub struct Waits<W: Awaited> {
    pub(crate) wait: Wait,
    pub(crate) reader: W::EventReader,
}

impl<W: Awaited> fmt::Debug for Waits<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.wait.fmt(f)
    }
}

impl<W: Awaited> Waits<W> {
    fn new(wait: Wait, reader: W::EventReader) -> Self {
        Self { wait, reader }
    }
}

/// The error of what does not fail.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub enum Never {}

impl fmt::Display for Never {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}
