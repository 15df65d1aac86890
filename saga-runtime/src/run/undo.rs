//! The undo stack: what a saga has called, by type, and what their compensations need.

use std::borrow::Cow;

use super::call::Called;
use super::room::{Room, Stack};
use crate::compensation::{CompensationOrder, OnCompensationFailure};
use crate::engine::Engine;
use crate::error::{Compensation, CompensationOutcome};
use crate::kind::StepKind;
use crate::lane::{Doubt, Scope};
use crate::place::{Calls, Instance, Lane, Position};
use crate::pursuit::BoxFuture;
use crate::saga::SagaMeta;
use crate::step::{Kind, Step, StepMeta};
use futures_util::future::join_all;

/// One entry of a saga's undo stack: a step or a saga that was called.
pub trait Entry: Send + Sync {
    /// What was called.
    fn part(&self) -> &'static StepMeta;

    /// Whether it was done.
    fn was_done(&self) -> bool;

    /// Whether it is done and can't be undone.
    #[inline]
    fn closes(&self) -> bool {
        self.was_done() && self.may_close()
    }

    /// Whether it can't be undone once it is done.
    #[inline]
    fn may_close(&self) -> bool {
        matches!(self.part().kind, Kind::Pivot | Kind::Retriable)
    }
}

/// An [`Entry`] that can be undone. The macro generates an enum of entries, with a variant per call.
pub trait Undo<E: Engine>: Entry {
    /// Compensates what was done, if that is needed; `before` calls came before it.
    fn unwind<'a>(
        &'a self,
        engine: &'a E,
        calls: &'a dyn Calls,
        before: usize,
        unwinding: &'a mut Unwinding,
    ) -> impl Future<Output = Unwound<E>> + Send;
}

/// Nothing, unless the engine lets go of the saga.
pub type Unwound<E> = Result<(), <E as Engine>::Suspension>;

impl<S: Step> Entry for Called<'_, S> {
    #[inline]
    fn part(&self) -> &'static StepMeta {
        &const { S::META }
    }

    #[inline]
    fn was_done(&self) -> bool {
        self.kept.is_some()
    }
}

impl<S: Step, E: Engine> Undo<E> for Called<'_, S> {
    #[inline]
    async fn unwind<'a>(
        &'a self,
        engine: &'a E,
        calls: &'a dyn Calls,
        before: usize,
        unwinding: &'a mut Unwinding,
    ) -> Unwound<E> {
        let kept = self.kept.as_ref();
        let Some(output) = kept.and_then(<S::Kind as StepKind>::kept::<S::Output>) else {
            return Ok(());
        };
        let position = Position::new(calls, self.part(), before);
        let outcome = if unwinding.is_halted {
            CompensationOutcome::Pending
        } else {
            engine
                .compensate::<S>(position, self.services, output)
                .await?
        };
        unwinding.push(position.name(), outcome);
        Ok(())
    }
}

/// How a saga is unwound, and what has become of its steps.
#[derive(Debug)]
pub struct Unwinding {
    /// Whether a compensation that has failed for good halts the others.
    halts: bool,
    at_once: bool,
    is_halted: bool,
    pub(super) compensations: Vec<Compensation>,
}

impl Unwinding {
    /// As the options of the saga say; some steps are settled already, and perhaps nothing is undone any more.
    pub(super) fn new(meta: &SagaMeta, compensations: Vec<Compensation>, goes_back: bool) -> Self {
        let halts = meta.on_compensation_failure == OnCompensationFailure::Halt;
        Self {
            halts,
            at_once: meta.compensations == CompensationOrder::Parallel && goes_back,
            is_halted: !goes_back,
            compensations,
        }
    }

    /// Beside this one.
    fn beside(&self) -> Self {
        Self {
            compensations: Vec::new(),
            ..*self
        }
    }

    fn push(&mut self, step: Cow<'static, str>, outcome: CompensationOutcome) {
        let compensation = Compensation { step, outcome };
        self.is_halted |= self.halts && !self.at_once && compensation.has_failed();
        self.compensations.push(compensation);
    }

    /// Unwinds these entries, last first or all at the same time.
    pub(super) async fn run<E: Engine, U: Undo<E>>(
        &mut self,
        engine: &E,
        calls: &dyn Calls,
        entries: &[U],
    ) -> Unwound<E> {
        self.compensations.reserve_exact(entries.len());
        if self.at_once {
            return self.run_at_once(engine, calls, entries).await;
        }
        for (index, entry) in entries.iter().enumerate().rev() {
            entry.unwind(engine, calls, index, self).await?;
        }
        Ok(())
    }

    async fn run_at_once<E: Engine, U: Undo<E>>(
        &mut self,
        engine: &E,
        calls: &dyn Calls,
        entries: &[U],
    ) -> Unwound<E> {
        let own = &*self;
        let running = entries
            .iter()
            .enumerate()
            .rev()
            .map(|(index, entry)| async move {
                let mut beside = own.beside();
                let unwound = entry.unwind(engine, calls, index, &mut beside).await;
                unwound.map(|()| beside.compensations)
            });
        for compensations in join_all(running).await {
            self.compensations.extend(compensations?);
        }
        Ok(())
    }
}

/// What a saga has called so far, last first: what has to be undone if it fails.
pub(super) struct UndoStack<'lane, 'run, U, R: Room> {
    instance: &'run Instance,
    pub(super) lane: Lane<'lane, 'run>,
    pub(super) entries: R::Stack<U>,
}

impl<'lane, 'run, U, R: Room> UndoStack<'lane, 'run, U, R> {
    #[inline]
    pub(super) fn new(instance: &'run Instance, lane: Lane<'lane, 'run>) -> Self {
        Self {
            instance,
            lane,
            entries: <R::Stack<U> as Stack<U>>::EMPTY,
        }
    }

    #[inline]
    pub(super) fn push(&mut self, entry: U) {
        self.entries.push(entry);
    }

    pub(super) fn entries(&self) -> &[U] {
        self.entries.as_slice()
    }
}

/// The stack knows what was called by type; contexts see only names.
impl<U: Entry, R: Room> Calls for UndoStack<'_, '_, U, R>
where
    R::Stack<U>: Sync,
{
    fn instance(&self) -> &Instance {
        self.instance
    }

    fn count(&self) -> usize {
        self.entries().len()
    }

    fn name(&self, index: usize) -> &'static str {
        self.entries()[index].part().name
    }

    fn scope(&self) -> Option<&Scope> {
        self.lane.scope
    }

    fn doubt(&self) -> Option<&Doubt> {
        self.lane.doubt
    }
}

/// What is left of a saga that was called by another one.
pub trait Unwind<E: Engine>: Send + Sync {
    fn unwind<'a>(
        &'a self,
        engine: &'a E,
        scope: &'a Scope,
        unwinding: &'a mut Unwinding,
    ) -> BoxFuture<'a, Unwound<E>>;

    /// Whether something of it is done and can't be undone.
    fn closes(&self) -> bool;

    /// Whether what was called last can't be undone once it is done.
    fn may_close(&self) -> bool;
}

/// The entries of a saga that was called by another one.
pub(super) struct Entries<U, R: Room>(R::Stack<U>);

impl<U, R: Room> Entries<U, R> {
    pub(super) fn new(entries: R::Stack<U>) -> Self {
        Self(entries)
    }
}

impl<E: Engine, U: Undo<E>, R: Room> Unwind<E> for Entries<U, R>
where
    R::Stack<U>: Send + Sync,
{
    fn unwind<'a>(
        &'a self,
        engine: &'a E,
        scope: &'a Scope,
        unwinding: &'a mut Unwinding,
    ) -> BoxFuture<'a, Unwound<E>> {
        let entries = self.0.as_slice();
        let instance = engine.instance();
        Box::pin(async move {
            let calls = Past {
                instance,
                scope,
                entries,
            };
            unwinding.run(engine, &calls, entries).await
        })
    }

    fn closes(&self) -> bool {
        self.0.as_slice().iter().any(Entry::closes)
    }

    fn may_close(&self) -> bool {
        self.0.as_slice().last().is_some_and(Entry::may_close)
    }
}

/// The calls of a saga that was called by another one, and has ended.
struct Past<'a, U> {
    instance: &'a Instance,
    scope: &'a Scope,
    entries: &'a [U],
}

impl<U: Entry> Calls for Past<'_, U> {
    fn instance(&self) -> &Instance {
        self.instance
    }

    fn count(&self) -> usize {
        self.entries.len()
    }

    fn name(&self, index: usize) -> &'static str {
        self.entries[index].part().name
    }

    fn scope(&self) -> Option<&Scope> {
        Some(self.scope)
    }
}
