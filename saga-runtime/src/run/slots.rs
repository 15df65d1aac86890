//! The values that the calls of a run leave behind: a slot per site in the body of the saga.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{self, Poll};

use pin_project_lite::pin_project;

use crate::meta::StepMeta;
use crate::panic::drop_caught;
use crate::place::Place;
use crate::run::Engine;
use crate::run::call_log::CallLog;
use crate::run::held::{Held, held};
use crate::run::site_names::{COMPARED_BY_THE_COMPILER, SiteNames};
use crate::run::unwind::{KeptCall, Left, Unwind, closes};

/// The number of a site, as a type.
pub trait Number: Send {
    /// The number.
    const NUMBER: usize;
}

/// The number `N`.
#[derive(Debug, Clone, Copy)]
pub struct At<const N: usize>;

impl<const N: usize> Number for At<N> {
    const NUMBER: usize = N;
}

/// The slot of a site that is called at most once: nothing is allocated.
pub struct One<N>(Option<N>);

/// The slot of a site in a body with loops.
pub struct Many<N>(Vec<Option<N>>);

impl<N> fmt::Debug for One<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("One").field(&self.0.is_some()).finish()
    }
}

impl<N> fmt::Debug for Many<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Many").field(&self.0.len()).finish()
    }
}

/// A panic of a kept output's destructor has no effect.
impl<N> Drop for One<N> {
    #[inline]
    fn drop(&mut self) {
        if mem::needs_drop::<N>() {
            drop_caught(self.0.take());
        }
    }
}

/// A panic of a kept output's destructor has no effect.
impl<N> Drop for Many<N> {
    fn drop(&mut self) {
        if mem::needs_drop::<N>() {
            while let Some(entry) = self.0.pop() {
                drop_caught(entry);
            }
        }
    }
}

impl<N> One<N> {
    /// Empty.
    pub const EMPTY: Self = Self(None);
}

impl<N> Many<N> {
    /// Empty.
    pub const EMPTY: Self = Self(Vec::new());
}

/// A slot for values of type `N`.
pub trait Keeps<N>: Send {
    /// Stores the value of a call that has ended, and records the call.
    fn keep(&mut self, called: &CallLog, number: usize, entry: Option<N>);
}

impl<N: Send> Keeps<N> for One<N> {
    #[inline]
    fn keep(&mut self, called: &CallLog, number: usize, entry: Option<N>) {
        called.record_once(number);
        self.0 = entry;
    }
}

impl<N: KeptCall> Keeps<N> for Many<N> {
    fn keep(&mut self, called: &CallLog, number: usize, entry: Option<N>) {
        called.record_again(number, const { N::CALLEE.name });
        self.0.push(entry);
    }
}

/// A slot of a run on the engine `E`.
pub trait Slot<E: Engine>: Send + Sync {
    /// Without entries.
    const NEW: Self;

    /// The facts about the step or the saga that is called at its site.
    const CALLEE: StepMeta;

    /// The rest of the call `time` of its site.
    fn left(&self, time: usize) -> Left<'_, E>;

    /// Compensates the call `time` of its site, once.
    fn undo<'a>(
        &'a self,
        time: usize,
        place: &'a dyn Place,
    ) -> impl Future<Output = Result<(), String>> + Send;
}

impl<E: Engine, N: KeptCall + Unwind<E>> Slot<E> for One<N> {
    const NEW: Self = Self::EMPTY;
    const CALLEE: StepMeta = N::CALLEE;

    #[inline]
    fn left(&self, _: usize) -> Left<'_, E> {
        match &self.0 {
            Some(entry) => entry.left(),
            None => Left::Nothing,
        }
    }

    #[inline]
    fn undo<'a>(
        &'a self,
        _: usize,
        place: &'a dyn Place,
    ) -> impl Future<Output = Result<(), String>> + Send {
        SlotCompensation::new(self.0.as_ref().and_then(|entry| entry.compensation(place)))
    }
}

impl<E: Engine, N: KeptCall + Unwind<E>> Slot<E> for Many<N> {
    const NEW: Self = Self::EMPTY;
    const CALLEE: StepMeta = N::CALLEE;

    fn left(&self, time: usize) -> Left<'_, E> {
        match self.0.get(time) {
            Some(Some(entry)) => entry.left(),
            _ => Left::Nothing,
        }
    }

    fn undo<'a>(
        &'a self,
        time: usize,
        place: &'a dyn Place,
    ) -> impl Future<Output = Result<(), String>> + Send {
        let entry = self.0.get(time).and_then(Option::as_ref);
        SlotCompensation::new(entry.and_then(|entry| entry.compensation(place)))
    }
}

/// The facts about the step or the saga at the site with a number.
pub type Callees = fn(usize) -> &'static StepMeta;

/// The slots of calls that have ended, whatever their types.
pub trait EndedSlots<E: Engine>: Send + Sync {
    /// The rest of the call `time` of the site `number`.
    fn left(&self, number: usize, time: usize) -> Left<'_, E>;
}

/// All slots of a run on the engine `E`.
pub trait Slots<E: Engine>: EndedSlots<E> {
    /// Without entries.
    fn new() -> Self
    where
        Self: Sized;

    /// The number of sites.
    const COUNT: usize;

    /// True if the saga has a site after which it only goes forward.
    const CLOSES: bool;

    /// The facts about the step or the saga at the site `number`.
    fn callee(number: usize) -> &'static StepMeta
    where
        Self: Sized;

    /// The names of the steps and the sagas that the sites call.
    const NAMES: SiteNames;

    /// Returns whether no two sites call steps or sagas of one name. The compiler compares them, unless they are so many that
    /// it would take a long time.
    #[inline]
    #[must_use]
    fn names_differ() -> bool
    where
        Self: Sized,
    {
        if Self::COUNT <= COMPARED_BY_THE_COMPILER {
            const { Self::COUNT > COMPARED_BY_THE_COMPILER || Self::NAMES.differ(Self::COUNT) }
        } else {
            Self::NAMES.differ_in_a_long_saga(Self::COUNT)
        }
    }

    /// Compensates a call, once: see [`Slot::undo`].
    fn undo<'a>(
        &'a self,
        number: usize,
        time: usize,
        place: &'a dyn Place,
    ) -> impl Future<Output = Result<(), String>> + Send;
}

/// Slots, in a tuple of at most 16. Rustc infers the type of each at the call that fills it.
pub struct SlotTuple<T>(pub Held<T>);

impl<T> SlotTuple<T> {
    /// These slots.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn of(slots: T) -> Self {
        Self(held(slots))
    }
}

/// More slots: a tuple of at most 16 other [`Slots`], all but the last with the same number of sites.
pub struct SlotGroups<T>(pub T);

impl<T> fmt::Debug for SlotTuple<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlotTuple").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for SlotGroups<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlotGroups").finish_non_exhaustive()
    }
}

macro_rules! slots {
    ($($type:ident $number:tt)*) => {
        impl<E: Engine, $($type: Slot<E>),*> EndedSlots<E> for SlotTuple<($($type,)*)> {
            #[inline]
            fn left(&self, number: usize, time: usize) -> Left<'_, E> {
                let _ = time;
                match number {
                    $($number => self.0.$number.left(time),)*
                    _ => Left::Nothing,
                }
            }
        }

        impl<E: Engine, $($type: Slot<E>),*> Slots<E> for SlotTuple<($($type,)*)> {
            const COUNT: usize = <[()]>::len(&[$({ let _ = $number; }),*]);
            const CLOSES: bool = false $(|| closes(&$type::CALLEE))*;
            const NAMES: SiteNames = SiteNames::Sites(&[$($type::CALLEE.name),*]);

            fn new() -> Self {
                Self::of(($($type::NEW,)*))
            }

            fn callee(number: usize) -> &'static StepMeta {
                match number {
                    $($number => &const { $type::CALLEE },)*
                    _ => unreachable!("a run has only the sites of its body"),
                }
            }

            #[inline]
            async fn undo<'a>(
                &'a self,
                number: usize,
                time: usize,
                place: &'a dyn Place,
            ) -> Result<(), String> {
                let _ = (time, place);
                match number {
                    $($number => self.0.$number.undo(time, place).await,)*
                    _ => Ok(()),
                }
            }
        }
    };
}

macro_rules! groups {
    ($($type:ident $number:tt)*) => {
        impl<E: Engine, $($type: Slots<E>),*> EndedSlots<E> for SlotGroups<($($type,)*)> {
            fn left(&self, number: usize, time: usize) -> Left<'_, E> {
                let size = A::COUNT;
                match number / size {
                    $($number => self.0.$number.left(number % size, time),)*
                    _ => Left::Nothing,
                }
            }
        }

        impl<E: Engine, $($type: Slots<E>),*> Slots<E> for SlotGroups<($($type,)*)> {
            const COUNT: usize = 0 $(+ $type::COUNT)*;
            const CLOSES: bool = false $(|| $type::CLOSES)*;
            const NAMES: SiteNames = SiteNames::Groups(A::COUNT, &[$($type::NAMES),*]);

            fn new() -> Self {
                Self(($($type::new(),)*))
            }

            fn callee(number: usize) -> &'static StepMeta {
                let size = A::COUNT;
                match number / size {
                    $($number => $type::callee(number % size),)*
                    _ => unreachable!("a run has only the sites of its body"),
                }
            }

            async fn undo<'a>(
                &'a self,
                number: usize,
                time: usize,
                place: &'a dyn Place,
            ) -> Result<(), String> {
                let size = A::COUNT;
                match number / size {
                    $($number => self.0.$number.undo(number % size, time, place).await,)*
                    _ => Ok(()),
                }
            }
        }
    };
}

macro_rules! each_length {
    ($macro:ident: $($before:ident $at:tt)* ;) => {
        $macro!($($before $at)*);
    };
    ($macro:ident: $($before:ident $at:tt)* ; $next:ident $number:tt $($rest:tt)*) => {
        $macro!($($before $at)*);
        each_length!($macro: $($before $at)* $next $number; $($rest)*);
    };
}

each_length!(slots: ; A 0 B 1 C 2 D 3 F 4 G 5 H 6 I 7 J 8 K 9 L 10 M 11 N 12 O 13 P 14 Q 15);
each_length!(groups: A 0 B 1; C 2 D 3 F 4 G 5 H 6 I 7 J 8 K 9 L 10 M 11 N 12 O 13 P 14 Q 15);

pin_project! {
    /// A compensation that runs, if there is one.
    struct SlotCompensation<F> {
        #[pin]
        compensation: Option<F>,
    }
}

impl<F> SlotCompensation<F> {
    #[inline]
    fn new(compensation: Option<F>) -> Self {
        Self { compensation }
    }
}

impl<F: Future<Output = Result<(), String>>> Future for SlotCompensation<F> {
    type Output = Result<(), String>;

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        match self.project().compensation.as_pin_mut() {
            Some(compensation) => compensation.poll(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

/// The slots, as unwinding reads them. A debug build forgets their types: it compiles unwinding once for all sagas.
#[cfg(debug_assertions)]
pub(super) fn ended_slots<'a, E: Engine, L: Slots<E>>(
    slots: &'a L,
) -> &'a (dyn EndedSlots<E> + 'a) {
    slots
}

/// The slots, as unwinding reads them: with their types, so that a compensation needs no box.
#[cfg(not(debug_assertions))]
#[inline]
pub(super) fn ended_slots<E: Engine, L: Slots<E>>(slots: &L) -> &L {
    slots
}

/// The facts about the sites of these slots.
#[inline]
#[must_use]
pub fn callees<E: Engine, L: Slots<E>>(_: &L, _: &E) -> Callees {
    L::callee
}
