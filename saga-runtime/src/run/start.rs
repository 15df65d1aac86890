//! The parts of a generated driver, and its input.

use std::fmt;

use crate::place::{Frame, SagaContext};
use crate::run::body::Forward;
use crate::run::slots::Slots;
use crate::run::{Engine, Run, Saga};

/// The result of `saga!`: a function that reads the saga's shape, and the driver.
#[derive(Debug)]
pub struct Plan<M, F> {
    pub(crate) shape: M,
    pub(crate) future: F,
}

impl<M, F> Plan<M, F> {
    /// Both halves.
    #[inline]
    pub fn new(shape: M, future: F) -> Self {
        Self { shape, future }
    }
}

/// The input of a driver.
pub struct Start<'lane, 'run, G: Saga, E> {
    /// The saga with its input.
    pub saga: G,
    /// The services that its steps need besides their inputs.
    pub services: &'run G::Services,
    /// The engine that runs its effects.
    pub engine: &'run E,
    /// The place of its calls in the records.
    pub lane: Frame<'lane, 'run>,
}

impl<G: Saga, E> fmt::Debug for Start<'_, '_, G, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start")
            .field("saga", &G::META.name)
            .finish_non_exhaustive()
    }
}

/// A [`Start`], taken apart.
pub(super) type Taken<'lane, 'run, G, E> =
    (G, &'run <G as Saga>::Services, &'run E, Frame<'lane, 'run>);

/// Implemented by sagas: their inputs as a tuple.
// A trait of its own: the types of the inputs may be more private than the saga.
pub trait Inputs<T> {
    /// The inputs.
    fn inputs(self) -> T;
}

/// The context of the body.
#[inline]
pub fn context<'run, S: ?Sized, E: Engine>(
    services: &'run S,
    engine: &'run E,
    lane: Frame<'_, 'run>,
) -> SagaContext<'run, S> {
    SagaContext::at(services, lane.body(engine.instance()))
}

/// The input of a driver: a [`Start`], or nothing, if the caller only wants the shape.
pub trait Input<'lane, 'run, G: Saga, E: Engine>: Sized + Send {
    /// The result of the driver.
    type End;

    /// The start, if there is one: the saga with its input, the services, the engine, and the place of its calls.
    fn take(self) -> Option<Taken<'lane, 'run, G, E>>;

    /// Ends the run of a saga that completed.
    fn completed<L: Slots<E> + 'run>(
        run: &mut Run<'_, 'run, E>,
        slots: &mut L,
        output: G::Output,
    ) -> Self::End;

    /// Ends the run of a saga that did not complete.
    fn ended<'a, L: Slots<E> + 'run>(
        run: &'a mut Run<'_, 'run, E>,
        slots: &'a mut L,
        body: Forward<Result<G::Output, G::Error>>,
    ) -> impl Future<Output = Self::End> + Send;
}

impl<'lane, 'run, G: Saga, E: Engine> Input<'lane, 'run, G, E> for Start<'lane, 'run, G, E> {
    type End = E::End<G>;

    #[inline]
    fn take(self) -> Option<Taken<'lane, 'run, G, E>> {
        Some((self.saga, self.services, self.engine, self.lane))
    }

    #[inline]
    fn completed<L: Slots<E> + 'run>(
        run: &mut Run<'_, 'run, E>,
        _: &mut L,
        output: G::Output,
    ) -> Self::End {
        run.complete::<G>(output)
    }

    #[inline]
    fn ended<'a, L: Slots<E> + 'run>(
        run: &'a mut Run<'_, 'run, E>,
        slots: &'a mut L,
        body: Forward<Result<G::Output, G::Error>>,
    ) -> impl Future<Output = Self::End> + Send {
        E::set_apart(run.finish::<G, L>(slots, body))
    }
}

/// No start.
#[derive(Debug)]
pub struct Unstarted;

impl<'lane, 'run, G: Saga, E: Engine> Input<'lane, 'run, G, E> for Unstarted {
    type End = E::End<G>;

    fn take(self) -> Option<Taken<'lane, 'run, G, E>> {
        None
    }

    fn completed<L: Slots<E> + 'run>(
        run: &mut Run<'_, 'run, E>,
        _: &mut L,
        output: G::Output,
    ) -> Self::End {
        run.complete::<G>(output)
    }

    fn ended<'a, L: Slots<E> + 'run>(
        run: &'a mut Run<'_, 'run, E>,
        slots: &'a mut L,
        body: Forward<Result<G::Output, G::Error>>,
    ) -> impl Future<Output = Self::End> + Send {
        E::set_apart(run.finish::<G, L>(slots, body))
    }
}
