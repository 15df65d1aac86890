//! Waits as calls in the body of a saga.

use std::fmt;
use std::future::Ready;
use std::marker::PhantomData;

use crate::attempts::BoxFuture;
use crate::error::Cause;
use crate::language::{Awaited, ErrorRecord, Never, Waits};
use crate::meta::StepMeta;
use crate::panic::{caught, drop_caught};
use crate::place::{Calls, Place};
use crate::run::callable::DoneOutput;
use crate::run::first_attempt::OnEngine;
use crate::run::{
    CallEnd, Callable, EndOf, Engine, FirstTried, KeptCall, Left, Stop, Unwind, WaitEnd,
};

/// A wait that is over. It needs no compensation.
pub struct Waited<W>(PhantomData<fn() -> W>);

impl<W> fmt::Debug for Waited<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waited")
    }
}

impl<W: Awaited> KeptCall for Waited<W> {
    const CALLEE: StepMeta = W::CALLEE;

    fn compensation<'a>(
        &'a self,
        _: &'a dyn Place,
    ) -> Option<impl Future<Output = Result<(), String>> + Send> {
        None::<Ready<_>>
    }
}

impl<W: Awaited, E: Engine> Unwind<E> for Waited<W> {
    fn left(&self) -> Left<'_, E> {
        Left::Nothing
    }
}

impl<'run, W: Awaited, E: Engine> Callable<'run, E> for Waits<W> {
    type Callee = W;
    type Output = W::Output;
    type Error = Never;
    type Left = ();
    type KeptCall = Waited<W>;

    type FirstAttempt = OnEngine;

    const IS_SAGA: bool = false;

    fn kept(_: &mut Option<()>, _: Option<DoneOutput<'_, W::Output>>) -> Option<Waited<W>> {
        None
    }

    fn text(error: &Never) -> String {
        match *error {}
    }

    fn pursue<'a>(
        self,
        engine: &'run E,
        calls: &'a dyn Calls,
        _: &mut FirstTried<'run, Self, E>,
        _: ErrorRecord<Never>,
    ) -> BoxFuture<'a, EndOf<'run, Self, E>>
    where
        Self: 'a,
        'run: 'a,
    {
        let (wait, reader) = (self.wait, self.reader);
        Box::pin(async move {
            let read = |event: usize, json: &str| {
                let received = Some((event, json));
                match caught(|| W::output(reader, received).map(drop_caught)) {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(panic) => Err(format!("panicked: {panic}")),
                }
            };
            let received = match engine.wait(calls, &const { W::CALLEE }, wait, &read).await {
                WaitEnd::TimedOut => Ok(None),
                WaitEnd::Received { event, json } => Ok(Some((event, json))),
                WaitEnd::Stopped(cause) => Err(Stop::Cause(cause)),
                WaitEnd::Suspended(suspension) => Err(Stop::Suspended(suspension)),
            };
            let output = received.and_then(|received| {
                let read = received.as_ref().map(|(event, json)| (*event, &**json));
                let output = caught(|| W::output(reader, read));
                let unread = match output {
                    Ok(Ok(output)) => return Ok(output),
                    Ok(Err(error)) => error.to_string(),
                    Err(panic) => format!("panicked: {panic}"),
                };
                let came = received.and_then(|(event, _)| wait.events.as_slice().get(event));
                let event = came.copied().unwrap_or_default();
                let message = format!("what came with event `{event}` can't be read: {unread}");
                Err(Stop::Cause(Cause::Unreadable { message }))
            });
            let failed_at = match &output {
                Err(Stop::Cause(_)) if !wait.events.as_slice().is_empty() => {
                    let name = format!("event:{}", wait.events);
                    let path = calls.scope().map(|scope| scope.step_path(&name));
                    Some(path.unwrap_or(name).into())
                }
                _ => None,
            };
            CallEnd {
                failed_at,
                ..CallEnd::new((), output.map(Ok))
            }
        })
    }
}
