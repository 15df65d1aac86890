//! One run of a saga: each call in its body goes through here. Used by generated code.

mod call;
mod end;
mod fan_out;
mod group;
mod inner;
mod plan;
mod room;
mod undo;
mod watch;

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::sync::atomic::Ordering;

use crate::attempt::Attempted;
use crate::engine::{Engine, ErrorRecord};
use crate::error::{Cause, Compensation};
use crate::order::Site;
use crate::part::Part;
use crate::place::{FirstAttempt, Lane, Place, path};
use crate::pursuit::BoxFuture;
use crate::step::StepMeta;

pub use call::{CallEnd, Callable, Called, EndOf, First, Returned};
pub use fan_out::{FanOut, try_join_all};
pub use group::{Member, Members};
pub use inner::{Inner, InnerStart, SubSaga};
pub use plan::{Input, Plan, Start, Unstarted};
pub use room::{Fixed, Growing, Room, Stack};
pub use undo::{Entry, Undo, Unwinding, Unwound};
pub use watch::{Forward, Watch};

use undo::UndoStack;

/// What has become of steps that were given up, and with them perhaps of the saga.
struct GivenUp<X> {
    settled: Vec<Compensation>,
    /// Where in a saga inside of this one it failed.
    failed_at: Option<Cow<'static, str>>,
    /// Why the saga ends here, without the body's having a say.
    stop: Option<Stop<X>>,
}

impl<X> Default for GivenUp<X> {
    fn default() -> Self {
        Self {
            settled: Vec::new(),
            failed_at: None,
            stop: None,
        }
    }
}

/// Why a saga ends without its body's having a say.
#[derive(Debug)]
pub enum Stop<X> {
    /// It failed.
    Cause(Cause<Infallible>),
    /// The engine lets go of it.
    Suspended(X),
}

/// One run of a saga on the engine `E`, with an undo stack of `U` that has the room `R`.
pub struct Run<'lane, 'run, E: Engine, U, R: Room> {
    watch: &'lane Watch,
    engine: &'run E,
    /// See [`Engine::trusts_first_attempts`].
    trusted: bool,
    stack: UndoStack<'lane, 'run, U, R>,
    failed_at: Option<&'static StepMeta>,
    given_up: Option<Box<GivenUp<E::Suspension>>>,
}

impl<E: Engine, U, R: Room> fmt::Debug for Run<'_, '_, E, U, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("saga", self.engine.instance())
            .finish_non_exhaustive()
    }
}

// Without a bound on `U`: the types of the undo stack are inferred, and each call of these would wait for all of them.
impl<'run, E: Engine, U, R: Room> Run<'_, 'run, E, U, R> {
    /// Whether the first attempt of a step is made in the body itself, because the engine need not see it: then a step
    /// costs little more than the call of its function. Whatever does not succeed at once goes to [`Self::pursue`].
    #[inline]
    pub fn trusts<C: Callable<'run, E>>(&self, _: &C, _: Site<C::Part>) -> bool {
        C::IS_STEP && self.trusted && C::Part::PART.timeout.is_none()
    }

    /// Takes over the output of a step whose first attempt has succeeded.
    #[inline]
    pub fn done<C: Callable<'run, E>>(
        &mut self,
        call: &C,
        output: C::Output,
        entry: impl FnOnce(C::Entry) -> U,
    ) -> C::Output {
        self.stack.push(entry(call.done(&output)));
        output
    }

    /// Takes over the refusal of the first attempt in `call.await?`, if that settles the step.
    ///
    /// # Errors
    /// The outcome, if it does not, or was not made.
    #[inline]
    pub fn settled<C: Callable<'run, E>>(
        &mut self,
        call: &C,
        first: First<'run, C, E>,
        entry: impl FnOnce(C::Entry) -> U,
    ) -> Result<Returned<'run, C, E>, First<'run, C, E>> {
        match first {
            Some(Attempted::Refused(error)) => match call.refused(&error) {
                Some(called) => {
                    self.refused(entry(called), &const { C::Part::PART });
                    Ok(Err(error))
                }
                None => Err(Some(Attempted::Refused(error))),
            },
            other => Err(other),
        }
    }

    #[cold]
    #[inline(never)]
    fn refused(&mut self, entry: U, step: &'static StepMeta) {
        self.failed_at = Some(step);
        self.stack.push(entry);
    }

    /// Takes over the refusal of the first attempt in `call.await`, if that settles the step.
    ///
    /// # Errors
    /// The outcome, if it does not, or was not made.
    #[inline]
    pub fn handled<C: Callable<'run, E>>(
        &mut self,
        call: &C,
        first: First<'run, C, E>,
        entry: impl FnOnce(C::Entry) -> U,
    ) -> Result<Returned<'run, C, E>, First<'run, C, E>> {
        let settled = self.settled(call, first, entry);
        self.failed_at = None;
        settled
    }
}

impl<'lane, 'run, E: Engine, U: Entry, R: Room> Run<'lane, 'run, E, U, R>
where
    R::Stack<U>: Send + Sync,
{
    /// A run that has not called anything.
    #[inline]
    pub fn new(watch: &'lane Watch, engine: &'run E, lane: Lane<'lane, 'run>) -> Self {
        Self {
            watch,
            engine,
            trusted: engine.trusts_first_attempts(),
            stack: UndoStack::new(engine.instance(), lane),
            failed_at: None,
            given_up: None,
        }
    }

    /// Where the first attempt of a call is made.
    #[inline]
    pub fn place<P: Part>(&self, _: Site<P>) -> impl Place + use<'_, 'lane, 'run, P, E, U, R> {
        FirstAttempt::<P, _>::new(&self.stack)
    }

    /// Goes on with `call.await?`: a refusal is about to end the saga.
    #[inline(never)]
    pub fn step<'a, C: Callable<'run, E> + 'a>(
        &'a mut self,
        call: C,
        first: First<'run, C, E>,
        entry: impl FnOnce(C::Entry) -> U + Send + 'a,
    ) -> BoxFuture<'a, Returned<'run, C, E>> {
        Box::pin(self.pursue::<C, true>(call, first, ErrorRecord::Text, entry))
    }

    /// Goes on with `call.await`, whose refusal the body handles itself.
    #[inline(never)]
    pub fn handle<'a, C: Callable<'run, E> + 'a>(
        &'a mut self,
        call: C,
        first: First<'run, C, E>,
        errors: ErrorRecord<C::Error>,
        entry: impl FnOnce(C::Entry) -> U + Send + 'a,
    ) -> BoxFuture<'a, Returned<'run, C, E>> {
        Box::pin(self.pursue::<C, false>(call, first, errors, entry))
    }

    /// Lets the engine pursue a call until its outcome is settled. A refusal either `ENDS` the saga or is handled.
    async fn pursue<C: Callable<'run, E>, const ENDS: bool>(
        &mut self,
        call: C,
        first: First<'run, C, E>,
        errors: ErrorRecord<C::Error>,
        entry: impl FnOnce(C::Entry) -> U + Send,
    ) -> Returned<'run, C, E> {
        let end = call
            .pursue(self.engine, &self.stack, first, errors, ENDS)
            .await;
        match self.take::<C>(end, ENDS, entry) {
            Some(returned) => returned,
            None => std::future::pending().await,
        }
    }

    /// Takes over how a call ended; `None` if the body gets nothing from it.
    fn take<C: Callable<'run, E>>(
        &mut self,
        end: EndOf<'run, C, E>,
        ends: bool,
        entry: impl FnOnce(C::Entry) -> U,
    ) -> Option<Returned<'run, C, E>> {
        let CallEnd {
            called,
            settled,
            failed_at,
            returned,
        } = end;
        if let Some(called) = called {
            self.stack.push(entry(called));
        }
        if !settled.is_empty() {
            self.given_up().settled.extend(settled);
        }
        match returned {
            Ok(Err(error)) if ends => {
                if self.failed_at.is_none() {
                    self.fail::<C::Part>(failed_at);
                }
                Some(Err(error))
            }
            Ok(returned) => Some(returned),
            Err(stop) => {
                if self.stop(stop) {
                    self.fail::<C::Part>(failed_at);
                }
                None
            }
        }
    }

    /// Ends the saga here: the body is not polled again. Of the members of a group the first that has failed in the order
    /// of the source counts, but nothing counts any more if the engine lets go of the saga. Whether this one counts.
    #[cold]
    fn stop(&mut self, stop: Stop<E::Suspension>) -> bool {
        if self.failed_at.is_some() && matches!(stop, Stop::Cause(_)) {
            return false;
        }
        self.watch.stopped.store(true, Ordering::Relaxed);
        self.given_up().stop = Some(stop);
        true
    }

    /// Remembers where the saga fails: at the part that was called, or inside of it.
    #[cold]
    fn fail<P: Part>(&mut self, inside: Option<Cow<'static, str>>) {
        self.failed_at = Some(&const { P::PART });
        if inside.is_some() {
            self.given_up().failed_at = inside;
        }
    }

    /// Where the saga has failed, if it was not in its own code.
    #[cold]
    fn take_failed_at(&mut self) -> Option<Cow<'static, str>> {
        let inside = self.given_up.as_mut().and_then(|one| one.failed_at.take());
        let step = self.failed_at.take();
        inside.or_else(|| step.map(|step| path(self.stack.lane.scope, step.name)))
    }

    #[cold]
    fn given_up(&mut self) -> &mut GivenUp<E::Suspension> {
        self.given_up.get_or_insert_default()
    }
}
