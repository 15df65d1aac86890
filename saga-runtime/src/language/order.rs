//! The order rule, `(compensatable | nothing to undo)* pivot? retriable*`, as traits.
//!
//! The macro mirrors the order of a saga's calls in code that is type-checked and never run. An [`OrderPoint`] in it
//! has a type parameter: the step since which the saga only goes forward. So a message of the compiler shows only that
//! step and the called one.
//!
//! ```text
//! Start ──compensatable, nothing to undo──▶ Start
//! Start ──pivot p──▶ p     Start ──retriable r──▶ r
//! s ──retriable──▶ s       s ──anything else──▶ a compile error
//! ```

mod phase;

use std::marker::PhantomData;

use crate::language::Callee;
use phase::{Admits, AdmitsPivot, AfterUndo, Grouped, Phase, StandsBeside, Undoable, Unfailing};

/// A point in the body of a saga. `Since` is the step since which the saga only goes forward, or [`OrderStart`].
#[derive(Debug)]
pub struct OrderPoint<Since>(PhantomData<fn() -> Since>);

impl<Since> Clone for OrderPoint<Since> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Since> Copy for OrderPoint<Since> {}

/// Stands for the start of the saga: everything up to this point can be undone.
#[derive(Debug)]
pub enum OrderStart {}

/// One call in the body of a saga. It carries the step's type from the call to the order rule and to the shape.
#[derive(Debug)]
pub struct Site<S>(PhantomData<fn() -> S>);

impl<S> Site<S> {
    /// Creates the site of a call whose step the compiler infers.
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

/// Returns the point before the first step.
#[must_use]
pub fn begin() -> OrderPoint<OrderStart> {
    OrderPoint(PhantomData)
}

/// Implemented by steps that a saga may call after `Since`.
#[diagnostic::on_unimplemented(
    message = "step `{Self}` can fail, but it comes after `{Since}`, from where on the saga only goes forward",
    label = "this step can fail",
    note = "what was done up to `{Since}` can't be undone any more, so nothing after it may fail",
    note = "`{Since}` is a pivot, a retriable step, or a saga that does not say `#[saga(compensatable)]`",
    note = "call it before `{Since}`, or mark it `#[step(retriable)]`: then it is retried until it succeeds"
)]
pub trait MayFollow<Since>: Sized {
    /// The step since which the saga only goes forward after this one.
    type Then;

    /// Returns the point after the step of `site`.
    #[must_use]
    fn then(point: OrderPoint<Since>, site: Site<Self>) -> OrderPoint<Self::Then> {
        let _ = (point, site);
        OrderPoint(PhantomData)
    }
}

#[diagnostic::do_not_recommend]
impl<S, Since> MayFollow<Since> for S
where
    S: Callee,
    Since: Phase,
    Since::Phase: Admits<S::Kind>,
{
    type Then = <Since::Phase as Admits<S::Kind>>::Then<Since, S>;
}

/// Implemented by steps that are not a second pivot after `Since`.
#[diagnostic::on_unimplemented(
    message = "a saga has at most one pivot, and `{Self}` comes after the pivot `{Since}`",
    label = "this is a second pivot",
    note = "if `{Self}` failed, what was done up to `{Since}` could not be undone any more",
    note = "mark the first of them `compensate = …` if it can be undone, or this one `retriable`: then it is retried until it succeeds",
    note = "a pivot may take the place of one that has refused: call it in the `Err` arm of a `match` on its `.await`"
)]
pub trait OnlyPivot<Since>: Sized {
    /// Checks the call of the step of `site`.
    fn check(_point: OrderPoint<Since>, _site: Site<Self>) {}
}

#[diagnostic::do_not_recommend]
impl<S, Since> OnlyPivot<Since> for S
where
    S: Callee,
    Since: Phase,
    Since::Phase: AdmitsPivot<S::Kind>,
{
}

/// Implemented by points after which a saga may fail. No step since which a saga only goes forward implements it.
#[diagnostic::on_unimplemented(
    message = "the saga can fail here, but `{Self}` comes before, from where on it only goes forward",
    label = "this can fail",
    note = "what was done up to `{Self}` can't be undone any more, so nothing after it may fail",
    note = "do this before `{Self}`, or handle the error here; the last expression is `Ok(…)`"
)]
pub trait MayFailAfter: Sized {
    /// Checks a place where the body itself can fail.
    fn check(_point: OrderPoint<Self>) {}
}

#[diagnostic::do_not_recommend]
impl<Since: Phase<Phase = Undoable>> MayFailAfter for Since {}

/// Implemented by callees that may run at the same time as others.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is a pivot, and can't run at the same time as other steps",
    label = "this can't be undone once it is done",
    note = "if another member of the group failed, `{Self}` could not be undone any more",
    note = "call it after the group; a saga counts as a pivot, unless it says `#[saga(compensatable)]`"
)]
pub trait InGroup: Sized {
    /// Checks the call of the callee of `site`.
    fn check(_site: Site<Self>) {}
}

#[diagnostic::do_not_recommend]
impl<P: Callee<Kind: Grouped>> InGroup for P {}

/// Implemented by callees that may run at the same time as `Other`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` and `{Other}` can't run at the same time: only one of them can fail",
    label = "beside this group's first member",
    note = "if the one that can fail did, the retriable one could not be undone",
    note = "call the retriable step after the group"
)]
pub trait Beside<Other>: Sized {
    /// Checks the call of both.
    fn check(_other: Site<Other>, _site: Site<Self>) {}
}

#[diagnostic::do_not_recommend]
impl<P, Other> Beside<Other> for P
where
    P: Callee,
    Other: Callee<Kind: StandsBeside<P::Kind>>,
{
}

/// Implemented by callees that a saga marked `compensatable` may call.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be undone, but the saga that calls it is marked `compensatable`",
    label = "this can't be undone",
    note = "leave `compensatable` out: then the saga counts as a pivot where other sagas call it"
)]
pub trait CanBeUndone: Sized {
    /// Checks the call of the callee of `site`.
    fn check(_site: Site<Self>) {}
}

#[diagnostic::do_not_recommend]
impl<P: Callee<Kind: AfterUndo>> CanBeUndone for P {}

/// Implemented by callees that a saga marked `retriable` may call.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can fail, but the saga that calls it is marked `retriable`",
    label = "this can fail",
    note = "leave `retriable` out: then the saga counts as a pivot where other sagas call it"
)]
pub trait NeverFails: Sized {
    /// Checks the call of the callee of `site`.
    fn check(_site: Site<Self>) {}
}

#[diagnostic::do_not_recommend]
impl<P: Callee<Kind: Unfailing>> NeverFails for P {}

/// The meeting of two branches: the stricter one counts.
pub trait Join<Other>: Sized {
    /// The step since which the saga only goes forward after the branches meet.
    type Then;

    /// Returns the point after both branches.
    #[must_use]
    fn join(one: OrderPoint<Self>, other: OrderPoint<Other>) -> OrderPoint<Self::Then> {
        let _ = (one, other);
        OrderPoint(PhantomData)
    }
}

impl<Other> Join<Other> for OrderStart {
    type Then = Other;
}

impl<S: Callee, Other> Join<Other> for S {
    type Then = S;
}
