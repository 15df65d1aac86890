//! Waits as calls in the body of a saga.

use std::fmt;
use std::future::{Ready, pending};
use std::marker::PhantomData;

use super::{Reader, Wait, WaitEnd};
use crate::engine::{Engine, ErrorRecord};
use crate::error::Cause;
use crate::kind;
use crate::part::Part;
use crate::place::{Calls, Place};
use crate::pursuit::BoxFuture;
use crate::run::{CallEnd, Callable, EndOf, Entry, First, Left, Stop, Undo};
use crate::shape::{Node, Waiting};
use crate::step::{Kind, StepMeta};

/// What a wait gives.
pub trait Awaited: Part {
    /// What the body gets.
    type Output: Send;

    /// How what came with an event is read.
    type Reader: Copy + Send;

    /// The output, if the event has come with this, or the time is over.
    ///
    /// # Errors
    /// If it can't be read.
    fn output(reader: Self::Reader, received: Option<&str>) -> serde_json::Result<Self::Output>;
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

            type Kind = kind::Waiting;

            fn node() -> Node {
                Node::Wait(Waiting { name: $name, what: $name })
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
    type Reader = ();

    fn output((): (), _: Option<&str>) -> serde_json::Result<()> {
        Ok(())
    }
}

impl<T: Send + 'static> Awaited for Came<T> {
    type Output = T;
    type Reader = Reader<T>;

    fn output(reader: Reader<T>, received: Option<&str>) -> serde_json::Result<T> {
        reader(received.unwrap_or_default())
    }
}

impl<T: Send + 'static> Awaited for CameWithin<T> {
    type Output = Option<T>;
    type Reader = Reader<T>;

    fn output(reader: Reader<T>, received: Option<&str>) -> serde_json::Result<Option<T>> {
        received.map(reader).transpose()
    }
}

/// A wait that is called in the body of a saga. Nothing has begun yet.
#[must_use = "a saga does not wait until this is awaited"]
pub struct Waits<W: Awaited> {
    wait: Wait,
    reader: W::Reader,
}

impl<W: Awaited> fmt::Debug for Waits<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.wait.fmt(f)
    }
}

impl<W: Awaited> Waits<W> {
    pub(super) fn new(wait: Wait, reader: W::Reader) -> Self {
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

/// A wait that is over: there is nothing to undo.
pub struct Waited<W>(PhantomData<fn() -> W>);

impl<W> fmt::Debug for Waited<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waited")
    }
}

impl<W: Awaited> Entry for Waited<W> {
    const PART: StepMeta = W::PART;

    fn undo<'a>(
        &'a self,
        _: &'a dyn Place,
    ) -> Option<impl Future<Output = Result<(), String>> + Send> {
        None::<Ready<_>>
    }
}

impl<W: Awaited, E: Engine> Undo<E> for Waited<W> {
    fn left(&self) -> Left<'_, E> {
        Left::Nothing
    }
}

impl<'run, W: Awaited, E: Engine> Callable<'run, E> for Waits<W> {
    type Part = W;
    type Output = W::Output;
    type Error = Never;
    type Left = ();
    type Entry = Waited<W>;

    const IS_STEP: bool = false;
    const IS_SAGA: bool = false;

    fn attempt<'p>(
        &self,
        _: &'p dyn Place,
    ) -> impl Future<Output = Result<W::Output, Never>> + Send + use<'p, 'run, W, E>
    where
        'run: 'p,
    {
        // There are no attempts of a wait.
        pending()
    }

    fn done(&self, _: &W::Output) -> Waited<W> {
        Waited(PhantomData)
    }

    fn is_settled_by(error: &Never) -> bool {
        match *error {}
    }

    fn left(&self) {}

    fn entry((): (), _: Option<&W::Output>) -> Option<Waited<W>> {
        None
    }

    fn pursue<'a>(
        self,
        engine: &'run E,
        calls: &'a dyn Calls,
        _: &mut First<'run, Self, E>,
        _: ErrorRecord<Never>,
    ) -> BoxFuture<'a, EndOf<'run, Self, E>>
    where
        Self: 'a,
        'run: 'a,
    {
        let (wait, reader) = (self.wait, self.reader);
        Box::pin(async move {
            let received = match engine.wait(calls, &const { W::PART }, wait).await {
                WaitEnd::TimedOut => Ok(None),
                WaitEnd::Received(json) => Ok(Some(json)),
                WaitEnd::Stopped(cause) => Err(Stop::Cause(cause)),
                WaitEnd::Suspended(suspension) => Err(Stop::Suspended(suspension)),
            };
            let output = received.and_then(|received| {
                let output = W::output(reader, received.as_deref());
                output.map_err(|error| {
                    let event = wait.event.unwrap_or_default();
                    let message = format!("what came with event `{event}` can't be read: {error}");
                    Stop::Cause(Cause::Unreadable { message })
                })
            });
            CallEnd::of((), output.map(Ok))
        })
    }
}
