//! Waits as calls in the body of a saga.

use std::fmt;
use std::future::{Pending, pending};
use std::marker::PhantomData;

use super::{Reader, Wait, WaitEnd};
use crate::attempt::Attempted;
use crate::engine::{Engine, ErrorRecord};
use crate::error::Cause;
use crate::kind;
use crate::part::Part;
use crate::place::{Calls, Place};
use crate::run::{CallEnd, Callable, EndOf, Entry, Stop, Undo, Unwinding, Unwound};
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

    /// There are no attempts of a wait.
    #[doc(hidden)]
    pub fn attempt<P: Place>(&self, _: &P) -> Pending<Result<W::Output, Never>> {
        pending()
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

/// A wait on the undo stack: there is nothing to undo.
#[derive(Debug)]
pub struct Waited(&'static StepMeta);

impl Entry for Waited {
    fn part(&self) -> &'static StepMeta {
        self.0
    }

    fn was_done(&self) -> bool {
        true
    }
}

impl<E: Engine> Undo<E> for Waited {
    async fn unwind<'a>(
        &'a self,
        _: &'a E,
        _: &'a dyn Calls,
        _: usize,
        _: &'a mut Unwinding,
    ) -> Unwound<E> {
        Ok(())
    }
}

impl<'run, W: Awaited, E: Engine> Callable<'run, E> for Waits<W> {
    type Part = W;
    type Output = W::Output;
    type Error = Never;
    type Entry = Waited;

    const IS_STEP: bool = false;
    const IS_SAGA: bool = false;

    fn done(&self, _: &W::Output) -> Waited {
        Waited(&const { W::PART })
    }

    fn refused(&self, error: &Never) -> Option<Waited> {
        match *error {}
    }

    async fn pursue<'a>(
        self,
        engine: &'run E,
        calls: &'a dyn Calls,
        _: Option<Attempted<W::Output, Never>>,
        _: ErrorRecord<Never>,
        _: bool,
    ) -> EndOf<'run, Self, E>
    where
        Self: 'a,
        'run: 'a,
    {
        let received = match engine.wait(calls, &const { W::PART }, self.wait).await {
            WaitEnd::TimedOut => Ok(None),
            WaitEnd::Received(json) => Ok(Some(json)),
            WaitEnd::Stopped(cause) => Err(Stop::Cause(cause)),
            WaitEnd::Suspended(suspension) => Err(Stop::Suspended(suspension)),
        };
        let output = received.and_then(|received| {
            let output = W::output(self.reader, received.as_deref());
            output.map_err(|error| {
                let event = self.wait.event.unwrap_or_default();
                let message = format!("what came with event `{event}` can't be read: {error}");
                Stop::Cause(Cause::Unreadable { message })
            })
        });
        CallEnd::of(Waited(&const { W::PART }), output)
    }
}
