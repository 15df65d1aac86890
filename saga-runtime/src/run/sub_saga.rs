//! Sagas that are called by other sagas: their steps are steps of the outermost one.

use std::fmt;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::mem;

use crate::attempts::BoxFuture;
use crate::error::Cause;
use crate::language::{Callee, ErrorRecord};
use crate::meta::StepMeta;
use crate::panic::text;
use crate::place::{Calls, Context, Frame, Instance, Place, Scope, count_occurrences};
use crate::run::body::Forward;
use crate::run::call_log::CallLog;
use crate::run::callable::{CallEnd, Callable, DoneOutput, EndOf, FirstTried};
use crate::run::end::reason;
use crate::run::first_attempt::OnEngine;
use crate::run::handled::{UndoneCalls, handle};
use crate::run::slots::Slots;
use crate::run::start::{Input, Start, Taken};
use crate::run::unwind::{EndedCalls, KeptCall, Left, Unwind, Unwindable, Unwinding, Unwound};
use crate::run::{Engine, Run, Saga, Stop};

/// The call of a saga by its name. Nothing has run yet.
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
}

/// A saga that was called, in a run of another one on the engine `E`.
pub struct CalledSubSaga<'run, E: Engine, G> {
    left: Box<dyn SubSagaCalls<E> + 'run>,
    saga: PhantomData<fn() -> G>,
}

impl<E: Engine, G> fmt::Debug for CalledSubSaga<'_, E, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CalledSubSaga").finish_non_exhaustive()
    }
}

impl<E: Engine, G> CalledSubSaga<'_, E, G> {
    /// A saga whose calls are compensated already, as far as they could be.
    pub(super) fn undone() -> Self {
        Self {
            left: Box::new(UndoneSubSaga),
            saga: PhantomData,
        }
    }

    /// Its calls.
    pub(super) fn calls(&self) -> &(dyn SubSagaCalls<E> + '_) {
        &*self.left
    }
}

impl<E: Engine, G: Saga + Callee> KeptCall for CalledSubSaga<'_, E, G> {
    const CALLEE: StepMeta = G::CALLEE;

    /// It is compensated in another way: see [`Left::Saga`].
    fn compensation<'a>(
        &'a self,
        _: &'a dyn Place,
    ) -> Option<impl Future<Output = Result<(), String>> + Send> {
        None::<Ready<_>>
    }
}

impl<E: Engine, G: Saga + Callee> Unwind<E> for CalledSubSaga<'_, E, G> {
    fn left(&self) -> Left<'_, E> {
        Left::Saga(self.calls())
    }
}

/// The rest of a saga that was called by another one.
pub trait SubSagaCalls<E: Engine>: Send + Sync {
    /// Compensates the steps that are done, if that is needed.
    fn unwind<'a>(&'a self, unwinding: &'a mut Unwinding<'_>) -> BoxFuture<'a, Unwound<E>>;

    /// Returns true if a step in it is done that can't be compensated.
    fn closes(&self) -> bool;

    /// Returns true if its last call can't be compensated once it is done.
    fn may_close(&self) -> bool;
}

/// A saga that was called by another one and has failed. The body handles that: nothing of it is left.
struct UndoneSubSaga;

impl<E: Engine> SubSagaCalls<E> for UndoneSubSaga {
    fn unwind<'a>(&'a self, _: &'a mut Unwinding<'_>) -> BoxFuture<'a, Unwound<E>> {
        Box::pin(async { Ok(()) })
    }

    fn closes(&self) -> bool {
        false
    }

    fn may_close(&self) -> bool {
        false
    }
}

/// A saga that was called by another one and has ended: its calls, and the values that they have left behind.
struct EndedSubSaga<'run, E: Engine, L> {
    engine: &'run E,
    scope: &'run Scope,
    called: CallLog,
    slots: L,
}

impl<E: Engine, L: Slots<E>> EndedSubSaga<'_, E, L> {
    fn ended(&self) -> EndedCalls<'_, E, impl Unwindable<E> + ?Sized> {
        EndedCalls::of(self.engine, self, &self.slots)
    }
}

impl<E: Engine, L: Slots<E>> SubSagaCalls<E> for EndedSubSaga<'_, E, L> {
    fn unwind<'a>(&'a self, unwinding: &'a mut Unwinding<'_>) -> BoxFuture<'a, Unwound<E>> {
        Box::pin(async move {
            let Some(part) = unwinding.part() else {
                return unwinding.run(&self.ended(), &self.called).await;
            };
            let calls = UndoneCalls::new(self, part);
            let ended = EndedCalls::of(self.engine, &calls, &self.slots);
            unwinding.run(&ended, &self.called).await
        })
    }

    fn closes(&self) -> bool {
        self.ended().closes(self.called.backward())
    }

    fn may_close(&self) -> bool {
        self.ended().may_close(self.called.backward())
    }
}

impl<E: Engine, L: Slots<E>> Calls for EndedSubSaga<'_, E, L> {
    fn instance(&self) -> &Instance {
        self.engine.instance()
    }

    fn count(&self) -> usize {
        self.called.count()
    }

    fn name(&self, index: usize) -> &'static str {
        L::callee(self.called.site(index)).name
    }

    fn scope(&self) -> Option<&Scope> {
        Some(self.scope)
    }

    fn occurrence(&self, name: &str, before: usize) -> usize {
        let occurrence = self.called.occurrence(name, before);
        occurrence.unwrap_or_else(|| count_occurrences(self, name, before))
    }
}

impl<'run, G: Saga + Callee, E: Engine + 'run> Callable<'run, E> for SubSaga<'run, G> {
    type Callee = G;
    type Output = G::Output;
    type Error = G::Error;
    type Left = Option<CalledSubSaga<'run, E, G>>;
    type KeptCall = CalledSubSaga<'run, E, G>;

    type FirstAttempt = OnEngine;

    const IS_SAGA: bool = true;

    fn kept(
        left: &mut Option<Self::Left>,
        _: Option<DoneOutput<'_, G::Output>>,
    ) -> Option<CalledSubSaga<'run, E, G>> {
        left.take().flatten()
    }

    fn text(error: &G::Error) -> String {
        text(error)
    }

    fn pursue<'a>(
        self,
        engine: &'run E,
        calls: &'a dyn Calls,
        _: &mut FirstTried<'run, Self, E>,
        errors: ErrorRecord<G::Error>,
    ) -> BoxFuture<'a, EndOf<'run, Self, E>>
    where
        Self: 'a,
        'run: 'a,
    {
        let scope = engine.instance().scope_inside(calls, G::META.name);
        if scope.is_too_deep() {
            return Box::pin(ready(too_deep(scope)));
        }
        let start = SubSagaStart(Start {
            saga: self.saga,
            services: self.services,
            engine,
            lane: Frame {
                scope: Some(scope),
                doubt: calls.doubt(),
                rules: calls.undo_rules(),
            },
        });
        // A saga may call itself: the type of its driver ends here.
        let driving: BoxFuture<'a, EndOf<'run, Self, E>> =
            Box::pin(G::driver::<E, _>(start).future);
        if errors.ends() {
            return driving;
        }
        Box::pin(async move { handle::<G, E>(engine, calls, driving.await, errors).await })
    }
}

fn too_deep<T, F, L, X>(scope: &Scope) -> CallEnd<T, F, Option<L>, X> {
    let message = format!("sagas call one another more than {} deep", Scope::DEEPEST);
    CallEnd {
        is_called: false,
        left: None,
        kept: None,
        settled: Vec::new(),
        failed_at: Some(scope.path().to_owned().into()),
        returned: Err(Stop::Cause(Cause::Panicked { message })),
    }
}

/// Starts a saga inside of another one.
#[derive(Debug)]
pub struct SubSagaStart<'lane, 'run, G: Saga, E>(Start<'lane, 'run, G, E>);

impl<'lane, 'run, G: Saga + Callee, E: Engine> Input<'lane, 'run, G, E>
    for SubSagaStart<'lane, 'run, G, E>
{
    type End = EndOf<'run, SubSaga<'run, G>, E>;

    fn take(self) -> Option<Taken<'lane, 'run, G, E>> {
        self.0.take()
    }

    fn completed<L: Slots<E> + 'run>(
        run: &mut Run<'_, 'run, E>,
        slots: &mut L,
        output: G::Output,
    ) -> Self::End {
        end_sub_saga(run, slots, Ok(Ok(output)))
    }

    fn ended<'a, L: Slots<E> + 'run>(
        run: &'a mut Run<'_, 'run, E>,
        slots: &'a mut L,
        body: Forward<Result<G::Output, G::Error>>,
    ) -> impl Future<Output = Self::End> + Send {
        let returned = match body {
            Forward::Returned(returned) => Ok(returned),
            Forward::Panicked(message) => {
                // Something may panic while the body is left. Why it is left counts.
                let stop = run.take_stop();
                Err(stop.unwrap_or(Stop::Cause(Cause::Panicked { message })))
            }
            Forward::Stopped => Err(reason(run.take_stop())),
        };
        ready(end_sub_saga(run, slots, returned))
    }
}

/// The value for the body from a called saga, or the reason why the saga stops first.
type Given<G, E> =
    Result<Result<<G as Saga>::Output, <G as Saga>::Error>, Stop<<E as Engine>::Suspension>>;

/// The end of a called saga. The outermost saga compensates it.
fn end_sub_saga<'run, G, E, L>(
    run: &mut Run<'_, 'run, E>,
    slots: &mut L,
    returned: Given<G, E>,
) -> EndOf<'run, SubSaga<'run, G>, E>
where
    G: Saga + Callee,
    E: Engine,
    L: Slots<E> + 'run,
{
    let given_up = run.take_given_up();
    let is_done = matches!(returned, Ok(Ok(_)));
    let failed_at = if is_done {
        None
    } else {
        let whole = || run.lane.scope.map(|scope| scope.path().to_owned().into());
        run.failed_at(given_up.failed, L::names_differ)
            .or_else(whole)
    };
    let inner = run.lane.scope.map(|scope| CalledSubSaga {
        left: Box::new(EndedSubSaga {
            engine: run.engine,
            scope,
            called: mem::take(&mut run.called),
            slots: mem::replace(slots, L::new()),
        }) as Box<dyn SubSagaCalls<E> + 'run>,
        saga: PhantomData,
    });
    CallEnd {
        is_called: true,
        left: inner,
        kept: None,
        settled: given_up.settled,
        failed_at,
        returned,
    }
}
