//! The order rule, `(compensatable | nothing to undo)* pivot? retriable*`, as traits: the macro writes down in which
//! order a saga calls its steps, in code that is type-checked and never run.
//!
//! ```text
//! Open ──compensatable, nothing to undo──▶ Open
//! Open ──pivot p──▶ Closed<p>     Open ──retriable r──▶ Closed<r>
//! Closed<s> ──retriable──▶ Closed<s>     Closed<s> ──anything else──▶ a compile error
//! ```

use std::marker::PhantomData;

use crate::kind::{Compensatable, NothingToUndo, Pivot, Retriable};
use crate::step::Step;

/// Everything so far can be undone.
#[derive(Debug, Clone, Copy)]
pub struct Open;

/// Since the step `By` the saga only goes forward.
#[derive(Debug)]
pub struct Closed<By>(PhantomData<fn() -> By>);

/// No way leads here: the code before has returned.
#[derive(Debug, Clone, Copy)]
pub struct Left;

/// A point in the body of a saga.
pub trait Phase {
    /// The step since which the saga only goes forward, or a placeholder.
    type By;
}

/// The placeholder for [`Phase::By`] where there is no such step.
#[derive(Debug)]
pub enum NoStep {}

impl Phase for Open {
    type By = NoStep;
}

impl Phase for Left {
    type By = NoStep;
}

impl<By> Phase for Closed<By> {
    type By = By;
}

/// A step of this kind may be called in the phase `P`.
#[diagnostic::on_unimplemented(
    message = "step `{S}` can fail, but it comes after `{By}`, from where on the saga only goes forward",
    label = "this step can fail",
    note = "what was done up to `{By}` can't be undone any more, so nothing after it may fail",
    note = "call it before `{By}`, or mark it `#[step(retriable)]`: then it is retried until it succeeds"
)]
pub trait MayFollow<P, S, By> {
    /// The phase after the step.
    type Then;
}

#[diagnostic::do_not_recommend]
impl<S, By> MayFollow<Open, S, By> for Compensatable {
    type Then = Open;
}

#[diagnostic::do_not_recommend]
impl<S, By> MayFollow<Open, S, By> for NothingToUndo {
    type Then = Open;
}

#[diagnostic::do_not_recommend]
impl<S, By> MayFollow<Open, S, By> for Pivot {
    type Then = Closed<S>;
}

#[diagnostic::do_not_recommend]
impl<S, By> MayFollow<Open, S, By> for Retriable {
    type Then = Closed<S>;
}

#[diagnostic::do_not_recommend]
impl<S, By> MayFollow<Closed<By>, S, By> for Retriable {
    type Then = Closed<By>;
}

#[diagnostic::do_not_recommend]
impl<S, By, K> MayFollow<Left, S, By> for K {
    type Then = Left;
}

/// The body of a saga may fail in this phase.
#[diagnostic::on_unimplemented(
    message = "the saga can fail here, but `{By}` comes before, from where on it only goes forward",
    label = "this can fail",
    note = "what was done up to `{By}` can't be undone any more, so nothing after it may fail",
    note = "do this before `{By}`, or handle the error here; the last expression is `Ok(…)`"
)]
pub trait MayFail<By> {}

#[diagnostic::do_not_recommend]
impl<By> MayFail<By> for Open {}

#[diagnostic::do_not_recommend]
impl<By> MayFail<By> for Left {}

/// Two ways meet: the stricter phase counts.
pub trait Join<Other> {
    /// The phase after both.
    type Then;
}

impl Join<Open> for Open {
    type Then = Open;
}

impl<By> Join<Closed<By>> for Open {
    type Then = Closed<By>;
}

impl<By> Join<Open> for Closed<By> {
    type Then = Self;
}

impl<By, Other> Join<Closed<Other>> for Closed<By> {
    type Then = Self;
}

impl<P> Join<P> for Left {
    type Then = P;
}

impl Join<Left> for Open {
    type Then = Open;
}

impl<By> Join<Left> for Closed<By> {
    type Then = Self;
}

/// A point of the mirror: its phase is its type.
#[derive(Debug)]
pub struct Point<P>(PhantomData<fn() -> P>);

impl<P> Clone for Point<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Point<P> {}

/// One call of a step in the body of a saga: it carries the step's type from the call to the mirror and the shape.
#[derive(Debug)]
pub struct Site<S>(PhantomData<fn() -> S>);

impl<S> Site<S> {
    /// A call of a step that the compiler infers.
    #[expect(
        clippy::new_without_default,
        reason = "only generated code makes sites"
    )]
    #[must_use]
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<S> Clone for Site<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Site<S> {}

/// Before the first step.
#[must_use]
pub fn begin() -> Point<Open> {
    Point(PhantomData)
}

/// After the step of `site`.
pub fn then<P: Phase, S: Step>(
    _: Point<P>,
    _: Site<S>,
) -> Point<<S::Kind as MayFollow<P, S, P::By>>::Then>
where
    S::Kind: MayFollow<P, S, P::By>,
{
    Point(PhantomData)
}

/// Where the body can fail by itself.
pub fn may_fail<P: Phase + MayFail<P::By>>(point: Point<P>) -> Point<P> {
    point
}

/// After a `return`.
pub fn left<P>(_: Point<P>) -> Point<Left> {
    Point(PhantomData)
}

/// Where two ways meet.
pub fn join<P: Join<Q>, Q>(_: Point<P>, _: Point<Q>) -> Point<P::Then> {
    Point(PhantomData)
}
