//! The phases of a saga as types, and the kinds of steps that each phase admits.

use crate::language::kind::Waiting;
use crate::language::order::OrderStart;
use crate::language::{Callee, Compensatable, NothingToUndo, Pivot, Retriable};

/// The phase before a pivot: everything so far can be undone.
#[derive(Debug)]
pub enum Undoable {}

/// The phase after a pivot.
#[derive(Debug)]
pub enum AfterPivot {}

/// The phase after a retriable step.
#[derive(Debug)]
pub enum AfterRetriable {}

/// The phase that a step, or the start of the saga, begins.
pub trait Phase {
    /// [`Undoable`], [`AfterPivot`] or [`AfterRetriable`].
    type Phase;
}

impl Phase for OrderStart {
    type Phase = Undoable;
}

impl<S: Callee<Kind: Closes>> Phase for S {
    type Phase = <S::Kind as Closes>::Phase;
}

/// The phase that a step of this kind begins.
pub trait Closes {
    /// The phase.
    type Phase;
}

impl Closes for Pivot {
    type Phase = AfterPivot;
}

impl Closes for Retriable {
    type Phase = AfterRetriable;
}

/// Implemented by phases in which a step of kind `K` may be called. `AfterPivot` admits pivots:
/// [`OnlyPivot`](super::OnlyPivot) rejects them with a better message.
pub trait Admits<K> {
    /// The step since which the saga only goes forward after `S`, if it was `Since` before.
    type Then<Since, S>;
}

impl Admits<Waiting> for Undoable {
    type Then<Since, S> = Since;
}

impl Admits<Waiting> for AfterPivot {
    type Then<Since, S> = Since;
}

impl Admits<Waiting> for AfterRetriable {
    type Then<Since, S> = Since;
}

impl Admits<Compensatable> for Undoable {
    type Then<Since, S> = Since;
}

impl Admits<NothingToUndo> for Undoable {
    type Then<Since, S> = Since;
}

impl Admits<Pivot> for Undoable {
    type Then<Since, S> = S;
}

impl Admits<Retriable> for Undoable {
    type Then<Since, S> = S;
}

impl Admits<Pivot> for AfterPivot {
    type Then<Since, S> = Since;
}

impl Admits<Retriable> for AfterPivot {
    type Then<Since, S> = Since;
}

impl Admits<Retriable> for AfterRetriable {
    type Then<Since, S> = Since;
}

/// Implemented by phases in which a step of kind `K` is not a second pivot.
pub trait AdmitsPivot<K> {}

impl<K> AdmitsPivot<K> for Undoable {}
impl<K> AdmitsPivot<K> for AfterRetriable {}
impl AdmitsPivot<Compensatable> for AfterPivot {}
impl AdmitsPivot<NothingToUndo> for AfterPivot {}
impl AdmitsPivot<Retriable> for AfterPivot {}
impl AdmitsPivot<Waiting> for AfterPivot {}

/// Implemented by kinds whose steps may run at the same time as others.
pub trait Grouped {}

impl Grouped for Compensatable {}
impl Grouped for NothingToUndo {}
impl Grouped for Retriable {}

/// Implemented by kinds whose steps may run at the same time as a step of kind `K`. Pivots are admitted here:
/// [`InGroup`](super::InGroup) rejects them with a better message.
pub trait StandsBeside<K> {}

impl<K> StandsBeside<K> for Pivot {}
impl StandsBeside<Compensatable> for Compensatable {}
impl StandsBeside<NothingToUndo> for Compensatable {}
impl StandsBeside<Pivot> for Compensatable {}
impl StandsBeside<Compensatable> for NothingToUndo {}
impl StandsBeside<NothingToUndo> for NothingToUndo {}
impl StandsBeside<Pivot> for NothingToUndo {}
impl StandsBeside<Retriable> for Retriable {}
impl StandsBeside<Pivot> for Retriable {}

/// Implemented by kinds whose steps can be undone.
pub trait AfterUndo {}

impl AfterUndo for Compensatable {}
impl AfterUndo for NothingToUndo {}
impl AfterUndo for Waiting {}

/// Implemented by kinds whose calls never fail.
pub trait Unfailing {}

impl Unfailing for Retriable {}
impl Unfailing for Waiting {}
