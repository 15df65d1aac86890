//! Sagas that are called by other sagas: their steps are steps of the outermost one.

use std::fmt;
use std::future::{Pending, pending};
use std::mem;

use super::call::{CallEnd, Callable, EndOf};
use super::plan::{Input, Start};
use super::room::{Room, Stack};
use super::undo::{Entries, Entry, Undo, Unwind, Unwinding, Unwound};
use super::watch::Forward;
use super::{Run, Stop};
use crate::attempt::Attempted;
use crate::context::Context;
use crate::engine::{Engine, ErrorRecord};
use crate::error::Cause;
use crate::lane::Scope;
use crate::part::Part;
use crate::place::{Calls, Lane, Place};
use crate::pursuit::BoxFuture;
use crate::saga::Saga;
use crate::step::StepMeta;

/// What calling a saga by its name returns. Nothing has run yet.
///
/// In the body of another saga, `.await?` makes its steps steps of that one.
#[must_use = "a saga does nothing until it is awaited"]
pub struct SubSaga<'run, G: Saga> {
    services: &'run G::Services,
    saga: G,
}

impl<G: Saga> fmt::Debug for SubSaga<'_, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubSaga")
            .field("saga", &G::META.name)
            .finish_non_exhaustive()
    }
}

impl<'run, G: Saga> SubSaga<'run, G> {
    /// The saga with its input.
    pub fn new(cx: Context<'run, G::Services>, saga: G) -> Self {
        Self {
            services: cx.services(),
            saga,
        }
    }

    /// There are no attempts of a saga, only of its steps.
    #[doc(hidden)]
    pub fn attempt<P: Place>(&self, _: &P) -> Pending<Result<G::Output, G::Error>> {
        pending()
    }
}

/// A saga that was called, on the undo stack of another one.
pub struct Inner<'run, E> {
    meta: &'static StepMeta,
    is_done: bool,
    scope: &'run Scope,
    entries: Box<dyn Unwind<E> + 'run>,
}

impl<E> fmt::Debug for Inner<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl<E: Engine> Entry for Inner<'_, E> {
    fn part(&self) -> &'static StepMeta {
        self.meta
    }

    fn was_done(&self) -> bool {
        self.is_done
    }

    fn closes(&self) -> bool {
        self.entries.closes()
    }

    fn may_close(&self) -> bool {
        self.entries.may_close()
    }
}

impl<E: Engine> Undo<E> for Inner<'_, E> {
    async fn unwind<'a>(
        &'a self,
        engine: &'a E,
        _: &'a dyn Calls,
        _: usize,
        unwinding: &'a mut Unwinding,
    ) -> Unwound<E> {
        self.entries.unwind(engine, self.scope, unwinding).await
    }
}

impl<'run, G: Saga + Part, E: Engine + 'run> Callable<'run, E> for SubSaga<'run, G> {
    type Part = G;
    type Output = G::Output;
    type Error = G::Error;
    type Entry = Inner<'run, E>;

    const IS_STEP: bool = false;
    const IS_SAGA: bool = true;

    fn done(&self, _: &G::Output) -> Inner<'run, E> {
        unreachable!("the body of a saga makes no attempts of sagas")
    }

    fn refused(&self, _: &G::Error) -> Option<Inner<'run, E>> {
        None
    }

    async fn pursue<'a>(
        self,
        engine: &'run E,
        calls: &'a dyn Calls,
        _: Option<Attempted<G::Output, G::Error>>,
        _: ErrorRecord<G::Error>,
        _: bool,
    ) -> EndOf<'run, Self, E>
    where
        Self: 'a,
        'run: 'a,
    {
        let scope = engine.instance().scope_inside(calls, G::META.name);
        if scope.is_too_deep() {
            return too_deep(scope);
        }
        let start = InnerStart(Start {
            saga: self.saga,
            services: self.services,
            engine,
            lane: Lane {
                scope: Some(scope),
                doubt: calls.doubt(),
            },
        });
        let end = begin(start).await;
        CallEnd {
            called: end.called.map(|entries| Inner {
                meta: &const { G::PART },
                is_done: matches!(end.returned, Ok(Ok(_))),
                scope,
                entries,
            }),
            settled: end.settled,
            failed_at: end.failed_at,
            returned: end.returned,
        }
    }
}

/// Erases the type of the coordinator: a saga may call itself.
fn begin<'a, 'run: 'a, G: Saga, E: Engine>(
    start: InnerStart<'a, 'run, G, E>,
) -> BoxFuture<'a, InnerEnd<'run, G, E>> {
    Box::pin(G::coordinate::<E, _>(start).future)
}

fn too_deep<T, F, N, X>(scope: &Scope) -> CallEnd<T, F, N, X> {
    let message = format!("sagas call one another more than {} deep", Scope::DEEPEST);
    CallEnd {
        called: None,
        settled: Vec::new(),
        failed_at: Some(scope.path().to_owned().into()),
        returned: Err(Stop::Cause(Cause::Panicked { message })),
    }
}

/// Starts a saga inside of another one.
#[derive(Debug)]
pub struct InnerStart<'lane, 'run, G: Saga, E>(Start<'lane, 'run, G, E>);

/// How a saga inside of another one ended; what is left of it is undone by the outermost one.
type InnerEnd<'run, G, E> = CallEnd<
    <G as Saga>::Output,
    <G as Saga>::Error,
    Box<dyn Unwind<E> + 'run>,
    <E as Engine>::Suspension,
>;

impl<'lane, 'run, G: Saga, E: Engine> Input<'lane, 'run, G, E> for InnerStart<'lane, 'run, G, E> {
    type End = InnerEnd<'run, G, E>;

    fn take(self) -> Option<Start<'lane, 'run, G, E>> {
        Some(self.0)
    }

    fn completed<U, R>(run: &mut Run<'_, 'run, E, U, R>, output: G::Output) -> Self::End
    where
        U: Undo<E> + 'run,
        R: Room,
        R::Stack<U>: Send + Sync + 'run,
    {
        left(run, Ok(Ok(output)))
    }

    fn ended<'b, U, R>(
        run: &'b mut Run<'_, 'run, E, U, R>,
        body: Forward<Result<G::Output, G::Error>>,
    ) -> BoxFuture<'b, Self::End>
    where
        'run: 'b,
        U: Undo<E> + 'run,
        R: Room,
        R::Stack<U>: Send + Sync + 'run,
    {
        let returned = match body {
            Forward::Returned(returned) => Ok(returned),
            Forward::Panicked(message) => Err(Stop::Cause(Cause::Panicked { message })),
            Forward::Stopped => Err(run.take_stop()),
        };
        let end = left(run, returned);
        Box::pin(std::future::ready(end))
    }
}

/// What is left of a saga inside of another one.
fn left<'run, T, F, E: Engine, U, R>(
    run: &mut Run<'_, 'run, E, U, R>,
    returned: Result<Result<T, F>, Stop<E::Suspension>>,
) -> CallEnd<T, F, Box<dyn Unwind<E> + 'run>, E::Suspension>
where
    U: Undo<E> + 'run,
    R: Room,
    R::Stack<U>: Send + Sync + 'run,
{
    let failed_at = match &returned {
        Ok(Ok(_)) => None,
        _ => run.take_failed_at().or_else(|| {
            let scope = run.stack.lane.scope;
            scope.map(|scope| scope.path().to_owned().into())
        }),
    };
    let entries = mem::replace(&mut run.stack.entries, <R::Stack<U> as Stack<U>>::EMPTY);
    CallEnd {
        called: Some(Box::new(Entries::<U, R>::new(entries))),
        settled: run.given_up.take().map_or_else(Vec::new, |one| one.settled),
        failed_at,
        returned,
    }
}
