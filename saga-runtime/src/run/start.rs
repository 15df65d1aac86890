//! What a generated coordinator is made of and starts from.

use std::fmt;

use crate::place::Frame;
use crate::run::body::Forward;
use crate::run::slots::Slots;
use crate::run::{Engine, Run, Saga};

/// What `saga!` generates: how to read the saga's shape, and its coordinator.
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

/// What a coordinator starts from.
pub struct Start<'lane, 'run, G: Saga, E> {
    /// The saga with its input.
    pub saga: G,
    /// What its steps need besides their inputs.
    pub services: &'run G::Services,
    /// What runs its effects.
    pub engine: &'run E,
    /// Where its calls are written down.
    pub lane: Frame<'lane, 'run>,
}

impl<G: Saga, E> fmt::Debug for Start<'_, '_, G, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start")
            .field("saga", &G::META.name)
            .finish_non_exhaustive()
    }
}

/// What a coordinator is given: a [`Start`], or nothing, if only its shape is wanted.
pub trait Input<'lane, 'run, G: Saga, E: Engine>: Sized {
    /// What the coordinator gives.
    type End;

    /// The start, if there is one.
    fn take(self) -> Option<Start<'lane, 'run, G, E>>;

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
    fn take(self) -> Option<Self> {
        Some(self)
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
        run.finish::<G, L>(slots, body)
    }
}

/// No start.
#[derive(Debug)]
pub struct Unstarted;

impl<'lane, 'run, G: Saga, E: Engine> Input<'lane, 'run, G, E> for Unstarted {
    type End = E::End<G>;

    fn take(self) -> Option<Start<'lane, 'run, G, E>> {
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
        run.finish::<G, L>(slots, body)
    }
}
