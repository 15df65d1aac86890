//! Unwinding: the calls of a saga are compensated, last first.

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;

use crate::attempts::{AttemptResult, BoxFuture, Compensate, caught};
use crate::error::{Compensation, CompensationOutcome};
use crate::meta::{CompensationOrder, OnCompensationFailure, SagaMeta, StepMeta, UndoRules};
use crate::place::{Calls, Doubt, Failure, Instance, Place, Position, Role};
use crate::run::Engine;
use crate::run::call_log::{CallLog, Past};
#[cfg(debug_assertions)]
pub(super) use crate::run::slots::EndedSlots as Unwindable;
#[cfg(not(debug_assertions))]
pub(super) use crate::run::slots::Slots as Unwindable;
use crate::run::slots::{Callees, Slots, ended_slots};
use crate::run::sub_saga::SubSagaCalls;

/// The value that a run stores of a call: of a step that is done, or of a saga that was called.
pub trait KeptCall: Send + Sync {
    /// The facts about the step or the saga.
    const CALLEE: StepMeta;

    /// Its compensation, if it is a step that has one, not yet polled.
    fn compensation<'a>(
        &'a self,
        place: &'a dyn Place,
    ) -> Option<impl Future<Output = Result<(), String>> + Send>;
}

/// A [`KeptCall`] on the engine `E`.
pub trait Unwind<E: Engine>: Send + Sync {
    /// The rest of it.
    fn left(&self) -> Left<'_, E>;
}

/// Returns true if a step or a saga like this can't be compensated once it is done.
#[must_use]
pub const fn closes(step: &StepMeta) -> bool {
    step.kind.closes_the_way_back()
}

/// The rest of a call that has ended.
pub enum Left<'a, E> {
    /// Nothing.
    Nothing,
    /// A step that is done and can't be compensated.
    Closed,
    /// A step that is done and has a compensation.
    Step(&'a dyn Compensate),
    /// The calls of a saga.
    Saga(&'a (dyn SubSagaCalls<E> + 'a)),
}

impl<E> fmt::Debug for Left<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Closed => "Closed",
            Self::Step(_) => "Step",
            Self::Saga(_) => "Saga",
        })
    }
}

/// The end of unwinding, unless the engine suspends the saga.
pub type Unwound<E> = Result<(), <E as Engine>::Suspension>;

/// Calls that have ended, and the values that they have left behind.
pub(super) struct EndedCalls<'a, E: Engine, L: ?Sized> {
    engine: &'a E,
    calls: &'a dyn Calls,
    callees: Callees,
    pub(super) names_differ: fn() -> bool,
    closes: bool,
    slots: &'a L,
}

impl<'a, E: Engine> EndedCalls<'a, E, ()> {
    /// These calls, with their values in these slots.
    #[inline]
    pub(super) fn of<L: Slots<E>>(
        engine: &'a E,
        calls: &'a dyn Calls,
        slots: &'a L,
    ) -> EndedCalls<'a, E, impl Unwindable<E> + ?Sized> {
        EndedCalls {
            engine,
            calls,
            callees: L::callee,
            names_differ: L::names_differ,
            closes: L::CLOSES,
            slots: ended_slots(slots),
        }
    }
}

impl<'a, E: Engine, L: Unwindable<E> + ?Sized> EndedCalls<'a, E, L> {
    /// The rest of this call, and its position.
    #[inline]
    fn left(&self, past: &Past) -> (Position<'a>, Left<'a, E>) {
        let position = Position::new(self.calls, (self.callees)(past.site), past.before);
        (position, self.slots.left(past.site, past.time))
    }

    /// Returns true if a step is done that can't be compensated.
    pub(super) fn closes(&self, mut past: impl Iterator<Item = Past>) -> bool {
        self.closes
            && past.any(|past| match self.slots.left(past.site, past.time) {
                Left::Closed => true,
                Left::Saga(inside) => inside.closes(),
                Left::Nothing | Left::Step(_) => false,
            })
    }

    /// Returns true if the last call can't be compensated once it is done.
    pub(super) fn may_close(&self, mut past: impl Iterator<Item = Past>) -> bool {
        past.next()
            .is_some_and(|last| match self.slots.left(last.site, last.time) {
                Left::Saga(inside) => inside.may_close(),
                _ => closes((self.callees)(last.site)),
            })
    }
}

/// The failure for which calls are compensated.
pub(super) trait KnownFailure: Sync {
    /// The failure as text.
    fn get(&self) -> &Failure;
}

impl KnownFailure for Failure {
    fn get(&self) -> &Failure {
        self
    }
}

/// A part of a saga that is compensated because the body handles its failure.
#[derive(Debug, Clone, Copy)]
pub(super) struct HandledPart<'a> {
    pub(super) failure: &'a Failure,
    /// The doubt about its next call, inside of a group.
    pub(super) doubt: Option<&'a Doubt>,
}

/// The unwinding of a saga, or of a part of it: the rules for it, and its results so far.
pub struct Unwinding<'a> {
    failure: &'a dyn KnownFailure,
    /// The part, if it is not the whole saga.
    part: Option<HandledPart<'a>>,
    /// True if a compensation that has failed for good halts the others.
    halts: bool,
    at_once: bool,
    is_halted: bool,
    /// The compensations that are attempted, if this is not the first unwinding.
    open: Option<&'a [Compensation]>,
    pub(super) compensations: Vec<Compensation>,
}

impl fmt::Debug for Unwinding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unwinding")
            .field("compensations", &self.compensations)
            .finish_non_exhaustive()
    }
}

impl<'a> Unwinding<'a> {
    /// Unwinding by the options of the saga. Some steps are settled already. Without `goes_back` nothing is
    /// compensated.
    pub(super) fn new(
        meta: &SagaMeta,
        compensations: Vec<Compensation>,
        goes_back: bool,
        failure: &'a dyn KnownFailure,
    ) -> Self {
        let rules = meta.undo_rules();
        Self {
            failure,
            part: None,
            halts: rules.on_failure == OnCompensationFailure::Halt,
            at_once: rules.order == CompensationOrder::Parallel && goes_back,
            is_halted: !goes_back,
            open: None,
            compensations,
        }
    }

    /// Unwinding of a part whose failure the body handles, by the rules of the saga.
    pub(super) fn of_part(rules: UndoRules, part: HandledPart<'a>) -> Self {
        Self {
            failure: part.failure,
            part: Some(part),
            halts: rules.on_failure == OnCompensationFailure::Halt,
            at_once: rules.order == CompensationOrder::Parallel,
            is_halted: false,
            open: None,
            compensations: Vec::new(),
        }
    }

    /// The part that is compensated, if it is not the whole saga.
    pub(super) fn part(&self) -> Option<HandledPart<'a>> {
        self.part
    }

    /// Compensates single calls of a part, which were made at the same time.
    pub(super) async fn run_members<E: Engine>(
        &mut self,
        engine: &E,
        members: &[(Position<'_>, &dyn Unwind<E>)],
    ) -> Unwound<E> {
        if !self.at_once {
            for (position, member) in members.iter().rev() {
                self.run_member(engine, *position, member.left()).await?;
            }
            return Ok(());
        }
        let own = &*self;
        let running = members.iter().rev().map(|(position, member)| {
            let unwinding: BoxFuture<'_, Result<Vec<Compensation>, E::Suspension>> =
                Box::pin(async move {
                    let mut beside = own.beside();
                    beside.run_member(engine, *position, member.left()).await?;
                    Ok(beside.compensations)
                });
            unwinding
        });
        for compensations in join_all(running).await {
            self.compensations.extend(compensations?);
        }
        Ok(())
    }

    async fn run_member<E: Engine>(
        &mut self,
        engine: &E,
        position: Position<'_>,
        left: Left<'_, E>,
    ) -> Unwound<E> {
        let outcome = match left {
            Left::Nothing | Left::Closed => return Ok(()),
            Left::Saga(inside) => return inside.unwind(self).await,
            Left::Step(_) if self.is_halted => CompensationOutcome::Pending,
            Left::Step(step) => engine.compensate(position, step, None).await?,
        };
        self.push(&position, position.occurrence(), outcome);
        Ok(())
    }

    /// Another unwinding, which attempts the `open` compensations of an earlier one once more. The others stand.
    pub(super) fn again(
        meta: &SagaMeta,
        standing: Vec<Compensation>,
        open: &'a [Compensation],
        failure: &'a dyn KnownFailure,
    ) -> Self {
        let halts = meta.undo_rules().on_failure == OnCompensationFailure::Halt;
        Self {
            failure,
            part: None,
            halts,
            at_once: false,
            is_halted: halts && standing.iter().any(Compensation::has_failed),
            open: Some(open),
            compensations: standing,
        }
    }

    /// Returns true if the outcome of an earlier unwinding stands.
    #[inline]
    fn stands(&self, position: &Position<'_>, occurrence: usize) -> bool {
        self.open
            .is_some_and(|open| !has_call(open, position, occurrence))
    }

    /// An unwinding by the same rules, without results.
    fn beside(&self) -> Self {
        Self {
            compensations: Vec::new(),
            ..*self
        }
    }

    #[inline]
    fn push(&mut self, position: &Position<'_>, occurrence: usize, outcome: CompensationOutcome) {
        let compensation = Compensation::new(position.name(), occurrence, outcome);
        if self.halts {
            self.is_halted |= !self.at_once && compensation.has_failed();
        }
        self.compensations.push(compensation);
    }

    /// Compensates the calls: one after the other, last first, or all at the same time.
    pub(super) async fn run<E: Engine, L: Unwindable<E> + ?Sized>(
        &mut self,
        ended: &EndedCalls<'_, E, L>,
        called: &CallLog,
    ) -> Unwound<E> {
        let past = called.backward();
        if self.compensations.is_empty() {
            self.compensations = Vec::with_capacity(past.count_left());
        }
        let names_differ = (ended.names_differ)();
        if self.at_once {
            return self.run_at_once(ended, names_differ, past.collect()).await;
        }
        let trusted = ended.engine.trusts_first_attempts();
        let place = FirstCompensation::new(ended.calls, ended.callees, self.failure);
        for past in past {
            let (position, step) = match ended.left(&past) {
                (_, Left::Nothing | Left::Closed) => continue,
                (_, Left::Saga(inside)) => {
                    inside.unwind(self).await?;
                    continue;
                }
                (position, Left::Step(step)) => (position, step),
            };
            let occurrence = past.occurrence(&position, names_differ);
            if self.stands(&position, occurrence) {
                continue;
            }
            if self.is_halted {
                self.push(&position, occurrence, CompensationOutcome::Pending);
                continue;
            }
            let mut first = None;
            if trusted && position.step().run_may_compensate() {
                place.set(&past);
                // In a block, so that a function that panics before it returns its future is caught as well.
                let undo = pin!(async { compensate_once(ended, &past, step, &place).await });
                first = Some(caught(undo).await);
            }
            let outcome = match first {
                Some(AttemptResult::Done(())) => CompensationOutcome::Compensated,
                first => {
                    let engine = ended.engine;
                    if self.part.is_none() {
                        engine.instance().fail(self.failure.get());
                    }
                    Box::pin(engine.compensate(position, step, first)).await?
                }
            };
            self.push(&position, occurrence, outcome);
        }
        Ok(())
    }

    async fn run_at_once<E: Engine, L: Unwindable<E> + ?Sized>(
        &mut self,
        ended: &EndedCalls<'_, E, L>,
        names_differ: bool,
        past: Vec<Past>,
    ) -> Unwound<E> {
        let own = &*self;
        let running = past.iter().map(|past| {
            let unwinding: BoxFuture<'_, Result<Vec<Compensation>, E::Suspension>> =
                Box::pin(async move {
                    let mut beside = own.beside();
                    match ended.left(past) {
                        (_, Left::Nothing | Left::Closed) => {}
                        (_, Left::Saga(inside)) => {
                            inside.unwind(&mut beside).await?;
                        }
                        (position, Left::Step(step)) => {
                            let occurrence = past.occurrence(&position, names_differ);
                            if own.part.is_none() {
                                ended.engine.instance().fail(own.failure.get());
                            }
                            let outcome = ended.engine.compensate(position, step, None).await?;
                            beside.push(&position, occurrence, outcome);
                        }
                    }
                    Ok(beside.compensations)
                });
            unwinding
        });
        for compensations in join_all(running).await {
            self.compensations.extend(compensations?);
        }
        Ok(())
    }
}

/// Returns whether one of these is the compensation of this call.
#[cold]
fn has_call(compensations: &[Compensation], position: &Position<'_>, occurrence: usize) -> bool {
    let step = position.name();
    compensations.iter().any(|one| one.is_of(&step, occurrence))
}

/// Compensates a step once. Without inlining, this is compiled once for all sagas.
#[cfg(debug_assertions)]
fn compensate_once<'a, E: Engine, L: ?Sized>(
    _: &'a EndedCalls<'_, E, L>,
    _: &Past,
    step: &'a dyn Compensate,
    place: &'a FirstCompensation<'_>,
) -> impl Future<Output = Result<(), String>> + Send {
    step.compensate(place)
}

/// Compensates a step once, without a box.
#[cfg(not(debug_assertions))]
#[inline(always)]
fn compensate_once<'a, E: Engine, L: Slots<E> + ?Sized>(
    ended: &'a EndedCalls<'_, E, L>,
    past: &Past,
    _: &'a dyn Compensate,
    place: &'a FirstCompensation<'_>,
) -> impl Future<Output = Result<(), String>> + Send {
    ended.slots.undo(past.site, past.time, place)
}

/// The first attempt of a compensation, which the run makes itself if the engine allows it.
struct FirstCompensation<'a> {
    calls: &'a dyn Calls,
    callees: Callees,
    failure: &'a dyn KnownFailure,
    site: AtomicUsize,
    before: AtomicUsize,
}

impl<'a> FirstCompensation<'a> {
    fn new(calls: &'a dyn Calls, callees: Callees, failure: &'a dyn KnownFailure) -> Self {
        Self {
            calls,
            callees,
            failure,
            site: AtomicUsize::new(0),
            before: AtomicUsize::new(0),
        }
    }

    fn set(&self, past: &Past) {
        self.site.store(past.site, Ordering::Relaxed);
        self.before.store(past.before, Ordering::Relaxed);
    }
}

impl Place for FirstCompensation<'_> {
    fn instance(&self) -> &Instance {
        self.calls.instance()
    }

    fn position(&self) -> Option<Position<'_>> {
        let step = (self.callees)(self.site.load(Ordering::Relaxed));
        let before = self.before.load(Ordering::Relaxed);
        Some(Position::new(self.calls, step, before))
    }

    fn attempt(&self) -> u32 {
        1
    }

    fn role(&self) -> Role {
        Role::Compensation
    }

    fn failure(&self) -> Option<&Failure> {
        Some(self.failure.get())
    }
}
