//! What a generated coordinator is made of and starts from.

use std::fmt;

use crate::saga::Saga;

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
pub struct Start<'run, G: Saga, E> {
    /// The saga with its input.
    pub saga: G,
    /// What its steps need besides their inputs.
    pub services: &'run G::Services,
    /// What runs its effects.
    pub engine: E,
}

impl<G: Saga, E> fmt::Debug for Start<'_, G, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start")
            .field("saga", &G::META.name)
            .finish_non_exhaustive()
    }
}

/// What a coordinator is given: a [`Start`], or nothing, if only its shape is wanted.
pub trait Input<'run, G: Saga, E> {
    /// The start, if there is one.
    fn take(self) -> Option<Start<'run, G, E>>;
}

impl<'run, G: Saga, E> Input<'run, G, E> for Start<'run, G, E> {
    #[inline]
    fn take(self) -> Option<Self> {
        Some(self)
    }
}

/// No start.
#[derive(Debug)]
pub struct Unstarted;

impl<'run, G: Saga, E> Input<'run, G, E> for Unstarted {
    fn take(self) -> Option<Start<'run, G, E>> {
        None
    }
}
