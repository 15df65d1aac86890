//! The undo stack: the steps that a saga has called, by type, and what their compensations need.

use std::fmt;

use arrayvec::ArrayVec;

use crate::engine::Engine;
use crate::error::CompensationOutcome;
use crate::kind::StepKind;
use crate::place::{Calls, Instance, Position};
use crate::step::{Kind, Step, StepMeta};

/// A step that was called, on the undo stack: what its compensation needs, or nothing if there is nothing to undo.
pub struct Called<'run, S: Step> {
    pub(super) services: &'run S::Services,
    pub(super) kept: Option<<S::Kind as StepKind>::Kept<S::Output>>,
}

impl<S: Step> fmt::Debug for Called<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Called")
            .field("step", &S::META.name)
            .finish_non_exhaustive()
    }
}

/// One entry of a saga's undo stack: a step that was called.
pub trait Entry: Send + Sync {
    /// The step's description.
    fn step(&self) -> &'static StepMeta;

    /// Whether the step was done.
    fn was_done(&self) -> bool;
}

/// An [`Entry`] that can be undone. The macro generates an enum of entries, with a variant per call.
pub trait Undo: Entry {
    /// Compensates the step, if that is needed; `before` calls came before it.
    fn compensate<'a, E: Engine>(
        &'a self,
        engine: &'a E,
        calls: &'a dyn Calls,
        before: usize,
    ) -> impl Future<Output = Compensated<E>> + Send;
}

impl<S: Step> Entry for Called<'_, S> {
    #[inline]
    fn step(&self) -> &'static StepMeta {
        &const { S::META }
    }

    #[inline]
    fn was_done(&self) -> bool {
        self.kept.is_some()
    }
}

impl<S: Step> Undo for Called<'_, S> {
    #[inline]
    async fn compensate<'a, E: Engine>(
        &'a self,
        engine: &'a E,
        calls: &'a dyn Calls,
        before: usize,
    ) -> Compensated<E> {
        let kept = self.kept.as_ref();
        match kept.and_then(<S::Kind as StepKind>::kept::<S::Output>) {
            Some(output) => {
                let position = Position::new(calls, self.step(), before);
                engine
                    .compensate::<S>(position, self.services, output)
                    .await
            }
            None => Ok(CompensationOutcome::Compensated),
        }
    }
}

/// How one compensation ended, unless the engine let go of the saga.
pub type Compensated<E> = Result<CompensationOutcome, <E as Engine>::Suspension>;

/// What a saga has called so far, last first: what has to be undone if it fails.
pub(super) struct UndoStack<'run, U, const N: usize> {
    pub(super) instance: &'run Instance,
    pub(super) entries: ArrayVec<U, N>,
}

/// The stack knows the steps by type; contexts see only their names.
impl<U: Entry, const N: usize> Calls for UndoStack<'_, U, N> {
    fn instance(&self) -> &Instance {
        self.instance
    }

    fn count(&self) -> usize {
        self.entries.len()
    }

    fn name(&self, index: usize) -> &'static str {
        self.entries[index].step().name
    }
}

/// Whether a step has to be compensated if the saga fails.
pub(super) fn needs_undoing(entry: &impl Entry) -> bool {
    entry.was_done() && entry.step().kind == Kind::Compensatable
}
