//! Waits in a saga's body: for a time, or for an event that is sent to the saga.

mod first_of;

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::language::{Callee, read_back};
use crate::meta::{Kind, StepMeta};
use crate::panic::{caught, drop_caught};
use crate::place::Context;
use crate::shape::{Node, WaitFor};

pub use first_of::{CameFirst, CameFirstWithin, First, OneOf, first_of, first_of_within};

/// The name of an event, with the type of its value. The sender and the saga use the same constant.
///
/// ```
/// use saga_runtime::EventName;
///
/// const APPROVED: EventName<bool> = EventName::new("approved");
/// ```
///
/// The compiler checks the name:
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

/// Reads the value of an event from JSON.
pub(crate) type EventReader<T> = fn(&str) -> serde_json::Result<T>;

/// The value of an event. It is recorded as JSON.
#[diagnostic::on_unimplemented(
    message = "`{Self}` comes with an event, so it has to be `Serialize + Deserialize`",
    label = "this is written down when the event is sent",
    note = "put `#[derive(serde::Serialize, serde::Deserialize)]` on `{Self}`"
)]
pub trait Sendable: Sized {
    /// Serializes the value as JSON.
    ///
    /// # Errors
    /// The error of the serializer.
    fn to_json(&self) -> serde_json::Result<String>;

    /// Reads a value from JSON.
    ///
    /// # Errors
    /// If the JSON is not a value of this type.
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
    /// Creates the event with this durable name, of ASCII letters, digits, `_`, `-` and `.`.
    ///
    /// # Panics
    /// If the name is empty or has other characters. In a constant, that is a compile error.
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

    /// Serializes a value of the event as JSON from which it can be read back. It is for engines.
    ///
    /// # Errors
    /// If it can't be written, or can't be read back, or is read back as another value. The text names the field where it
    /// can.
    pub fn write(&self, value: &T) -> serde_json::Result<String> {
        let failed = |message: String| <serde_json::Error as serde::ser::Error>::custom(message);
        let panicked = |panic: String| Err(failed(format!("panicked: {panic}")));
        let json = caught(|| (self.write)(value)).unwrap_or_else(panicked)?;
        let rewrite = |value: &T, buffer: &mut dyn io::Write| {
            let written = buffer.write_all((self.write)(value)?.as_bytes());
            written.map_err(serde_json::Error::io)
        };
        let back = read_back(&json, rewrite, self.read).map_err(failed)?;
        drop_caught(back);
        Ok(json)
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

/// Waits for a time in the body of a saga: `sleep(cx, Duration::from_hours(24)).await`.
///
/// A journal records the end of the wait, so a restart does not begin it anew. A saga that sleeps longer than
/// [`patience`](crate::coordinator::Builder::patience) is suspended: until then it costs a row in the journal and no
/// task. A cancellation ends the wait.
pub fn sleep<S: ?Sized>(cx: Context<'_, S>, duration: Duration) -> Waits<Slept> {
    let _ = cx;
    let wait = Wait {
        events: EventNames::default(),
        limit: Some(duration),
    };
    Waits::new(wait, ())
}

/// Waits without a limit for an event in the body of a saga: `let approval = event(cx, APPROVED).await`.
///
/// [`Coordinator::send`](crate::Coordinator::send) and [`Events::send`](crate::Events::send) send it, before or after
/// the wait begins. Each event ends one wait, the oldest first.
///
/// For the first of several events, see [`first_of`].
pub fn event<S: ?Sized, T: Send + 'static>(
    cx: Context<'_, S>,
    name: EventName<T>,
) -> Waits<Came<T>> {
    let _ = cx;
    let wait = Wait {
        events: EventNames::of(&[name.name]),
        limit: None,
    };
    Waits::new(wait, name.read)
}

/// Waits for an event in the body of a saga, at most this long. `None` if no event came in time.
///
/// For the first of several events, see [`first_of_within`].
pub fn event_within<S: ?Sized, T: Send + 'static>(
    cx: Context<'_, S>,
    name: EventName<T>,
    limit: Duration,
) -> Waits<CameWithin<T>> {
    let _ = cx;
    let wait = Wait {
        events: EventNames::of(&[name.name]),
        limit: Some(limit),
    };
    Waits::new(wait, name.read)
}

/// One wait: for an event, for the first of several, for a time, or for events with a time limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wait {
    /// The events. The first one that is sent ends the wait; the others stay for later waits. None for a sleep.
    pub events: EventNames,
    /// The longest time. `None` for events without a limit.
    pub limit: Option<Duration>,
}

/// The names of the events that end one wait, as the saga has them: at most four, and none for a sleep.
///
/// Its [`Display`](fmt::Display) is the form in durable names: `paid|declined`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventNames {
    names: [&'static str; MOST_EVENTS],
    count: usize,
}

/// The most events of which a saga can wait for the first.
const MOST_EVENTS: usize = 4;

impl EventNames {
    /// These names. More than four are cut off: no caller has more.
    fn of(names: &[&'static str]) -> Self {
        let mut all = Self::default();
        for (slot, name) in all.names.iter_mut().zip(names) {
            *slot = name;
            all.count += 1;
        }
        all
    }

    /// The names in the order of the saga. A name that the saga has twice stands twice; its first place counts.
    #[must_use]
    pub fn as_slice(&self) -> &[&'static str] {
        self.names.get(..self.count).unwrap_or_default()
    }

    /// The place of the event with this name.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.as_slice().iter().position(|one| *one == name)
    }
}

impl fmt::Display for EventNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.as_slice().join("|"))
    }
}

/// Reads the JSON of an error as the type that the body handles, to learn if it can be read.
///
/// # Errors
/// The reason why it can't.
pub type ReadError<'a> = &'a (dyn Fn(&str) -> Result<(), String> + Sync);

/// Reads the JSON of an event as the value that a wait expects, to learn if it can be read. The number is the event's place in
/// [`Wait::events`].
///
/// # Errors
/// The reason why it can't.
pub type ReadEvent<'a> = &'a (dyn Fn(usize, &str) -> Result<(), String> + Sync);

/// The result of a wait.
pub trait Awaited: Callee {
    /// The value of the `.await`.
    type Output: Send;

    /// The function that reads the value of an event.
    type EventReader: Copy + Send + Sync;

    /// Reads the output: from the place of the received event in [`Wait::events`] and its JSON, or from `None` if the time
    /// is over.
    ///
    /// # Errors
    /// If the event's JSON is not a value of the expected type.
    fn output(
        reader: Self::EventReader,
        received: Option<(usize, &str)>,
    ) -> serde_json::Result<Self::Output>;
}

/// The wait of [`sleep`].
#[derive(Debug)]
pub enum Slept {}

/// The wait of [`event`].
#[derive(Debug)]
pub struct Came<T>(PhantomData<fn() -> T>);

/// The wait of [`event_within`].
#[derive(Debug)]
pub struct CameWithin<T>(PhantomData<fn() -> T>);

macro_rules! callees {
    ($([$($T:ident)?] $callee:ty: $name:literal;)+) => {$(
        impl$(<$T: Send + 'static>)? Callee for $callee {
            const CALLEE: StepMeta = StepMeta::new($name, Kind::NothingToUndo);

            type Kind = crate::language::kind::Waiting;

            fn node() -> Node {
                Node::Wait(WaitFor { name: $name, what: $name, events: Vec::new() })
            }
        }
    )+};
}

callees! {
    [] Slept: "sleep";
    [T] Came<T>: "event";
    [T] CameWithin<T>: "event";
}

impl Awaited for Slept {
    type Output = ();
    type EventReader = ();

    fn output((): (), _: Option<(usize, &str)>) -> serde_json::Result<()> {
        Ok(())
    }
}

impl<T: Send + 'static> Awaited for Came<T> {
    type Output = T;
    type EventReader = EventReader<T>;

    fn output(reader: EventReader<T>, received: Option<(usize, &str)>) -> serde_json::Result<T> {
        reader(received.unwrap_or_default().1)
    }
}

impl<T: Send + 'static> Awaited for CameWithin<T> {
    type Output = Option<T>;
    type EventReader = EventReader<T>;

    fn output(
        reader: EventReader<T>,
        received: Option<(usize, &str)>,
    ) -> serde_json::Result<Option<T>> {
        received.map(|(_, json)| reader(json)).transpose()
    }
}

/// The value that [`sleep`], [`event`], [`first_of`] and their like return. The wait has not begun yet.
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

/// A type without a value: the error of a call that never fails, and an event that no wait asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Never {}

impl fmt::Display for Never {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}
