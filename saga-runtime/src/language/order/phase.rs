//! The phases of a saga as types, and which kinds of steps each of them admits.

use crate::language::kind::Waiting;
use crate::language::order::OrderStart;
use crate::language::{Compensatable, NothingToUndo, Part, Pivot, Retriable};

/// Everything so far can be undone.
#[derive(Debug)]
pub enum Undoable {}

/// A pivot is behind.
#[derive(Debug)]
pub enum AfterPivot {}

/// A retriable step is behind.
#[derive(Debug)]
pub enum AfterRetriable {}

/// The phase of a saga since a step, or since its start.
pub trait Phase {
    /// [`Undoable`], [`AfterPivot`] or [`AfterRetriable`].
    type Phase;
}

impl Phase for OrderStart {
    type Phase = Undoable;
}

impl<S: Part<Kind: Closes>> Phase for S {
    type Phase = <S::Kind as Closes>::Phase;
}

/// Which phase a step of this kind begins.
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

/// In this phase a step of kind `K` may be called. `AfterPivot` admits pivots: [`OnlyPivot`](super::OnlyPivot) refuses them in better
/// words.
pub trait Admits<K> {
    /// Since when the saga only goes forward after the step `S`, if it did so since `Since` before.
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

/// In this phase a step of kind `K` is no second pivot.
pub trait AdmitsPivot<K> {}

impl<K> AdmitsPivot<K> for Undoable {}
impl<K> AdmitsPivot<K> for AfterRetriable {}
impl AdmitsPivot<Compensatable> for AfterPivot {}
impl AdmitsPivot<NothingToUndo> for AfterPivot {}
impl AdmitsPivot<Retriable> for AfterPivot {}
impl AdmitsPivot<Waiting> for AfterPivot {}

/// What is of this kind may run at the same time as something else.
pub trait Grouped {}

impl Grouped for Compensatable {}
impl Grouped for NothingToUndo {}
impl Grouped for Retriable {}

/// What is of this kind may run at the same time as what is of kind `K`. Pivots are refused in other words by
/// [`InGroup`](super::InGroup).
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

/// What is of this kind can be undone.
pub trait AfterUndo {}

impl AfterUndo for Compensatable {}
impl AfterUndo for NothingToUndo {}
impl AfterUndo for Waiting {}

/// What is of this kind never fails.
pub trait Unfailing {}

impl Unfailing for Retriable {}
impl Unfailing for Waiting {}
