//! The order rule, `(compensatable | nothing to undo)* pivot? retriable*`, as traits: the macro writes down in which
//! order a saga calls its steps, in code that is type-checked and never run.
//!
//! A [`OrderPoint`] in the body of a saga is typed with the step since which the saga only goes forward. That step and the
//! one that is called are all that a message of the compiler shows.
//!
//! ```text
//! Start ──compensatable, nothing to undo──▶ Start
//! Start ──pivot p──▶ p     Start ──retriable r──▶ r
//! s ──retriable──▶ s       s ──anything else──▶ a compile error
//! ```

mod phase;

use std::marker::PhantomData;

use crate::language::Part;
use phase::{Admits, AdmitsPivot, AfterUndo, Grouped, Phase, StandsBeside, Undoable, Unfailing};

/// A point in the body of a saga: `Since` is the step since which it only goes forward, or [`OrderStart`].
#[derive(Debug)]
pub struct OrderPoint<Since>(PhantomData<fn() -> Since>);

impl<Since> Clone for OrderPoint<Since> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Since> Copy for OrderPoint<Since> {}

/// Since the start nothing has happened that can't be undone.
#[derive(Debug)]
pub enum OrderStart {}

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
pub fn begin() -> OrderPoint<OrderStart> {
    OrderPoint(PhantomData)
}

/// A saga that only goes forward since `Since` may call this step.
#[diagnostic::on_unimplemented(
    message = "step `{Self}` can fail, but it comes after `{Since}`, from where on the saga only goes forward",
    label = "this step can fail",
    note = "what was done up to `{Since}` can't be undone any more, so nothing after it may fail",
    note = "`{Since}` is a pivot, a retriable step, or a saga that does not say `#[saga(compensatable)]`",
    note = "call it before `{Since}`, or mark it `#[step(retriable)]`: then it is retried until it succeeds"
)]
pub trait MayFollow<Since>: Sized {
    /// Since when the saga only goes forward after the step.
    type Then;

    /// After the step of `site`.
    #[must_use]
    fn then(point: OrderPoint<Since>, site: Site<Self>) -> OrderPoint<Self::Then> {
        let _ = (point, site);
        OrderPoint(PhantomData)
    }
}

#[diagnostic::do_not_recommend]
impl<S, Since> MayFollow<Since> for S
where
    S: Part,
    Since: Phase,
    Since::Phase: Admits<S::Kind>,
{
    type Then = <Since::Phase as Admits<S::Kind>>::Then<Since, S>;
}

/// A saga with the pivot `Pivot` behind it may call this step: it is no other pivot.
#[diagnostic::on_unimplemented(
    message = "a saga has at most one pivot, and `{Self}` comes after the pivot `{Since}`",
    label = "this is a second pivot",
    note = "if `{Self}` failed, what was done up to `{Since}` could not be undone any more",
    note = "mark the first of them `compensate = …` if it can be undone, or this one `retriable`: then it is retried until it succeeds",
    note = "a pivot may take the place of one that has refused: call it in the `Err` arm of a `match` on its `.await`"
)]
pub trait OnlyPivot<Since>: Sized {
    /// Where the step of `site` is called.
    fn check(point: OrderPoint<Since>, site: Site<Self>) {
        let _ = (point, site);
    }
}

#[diagnostic::do_not_recommend]
impl<S, Since> OnlyPivot<Since> for S
where
    S: Part,
    Since: Phase,
    Since::Phase: AdmitsPivot<S::Kind>,
{
}

/// The saga may fail although it only goes forward since this step.
#[diagnostic::on_unimplemented(
    message = "the saga can fail here, but `{Self}` comes before, from where on it only goes forward",
    label = "this can fail",
    note = "what was done up to `{Self}` can't be undone any more, so nothing after it may fail",
    note = "do this before `{Self}`, or handle the error here; the last expression is `Ok(…)`"
)]
pub trait MayFailAfter: Sized {
    /// Where the body can fail by itself.
    fn check(point: OrderPoint<Self>) {
        let _ = point;
    }
}

#[diagnostic::do_not_recommend]
impl<Since: Phase<Phase = Undoable>> MayFailAfter for Since {}

/// A part of a saga may run at the same time as others.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is a pivot, and can't run at the same time as other steps",
    label = "this can't be undone once it is done",
    note = "if another member of the group failed, `{Self}` could not be undone any more",
    note = "call it after the group; a saga counts as a pivot, unless it says `#[saga(compensatable)]`"
)]
pub trait InGroup: Sized {
    /// Where the part of `site` is called.
    fn check(site: Site<Self>) {
        let _ = site;
    }
}

#[diagnostic::do_not_recommend]
impl<P: Part<Kind: Grouped>> InGroup for P {}

/// A part of a saga may run at the same time as `Other`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` and `{Other}` can't run at the same time: only one of them can fail",
    label = "beside this group's first member",
    note = "if the one that can fail did, the retriable one could not be undone",
    note = "call the retriable step after the group"
)]
pub trait Beside<Other>: Sized {
    /// Where both are called.
    fn check(other: Site<Other>, site: Site<Self>) {
        let _ = (other, site);
    }
}

#[diagnostic::do_not_recommend]
impl<P, Other> Beside<Other> for P
where
    P: Part,
    Other: Part<Kind: StandsBeside<P::Kind>>,
{
}

/// A part of a saga that is `compensatable`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be undone, but the saga that calls it is marked `compensatable`",
    label = "this can't be undone",
    note = "leave `compensatable` out: then the saga counts as a pivot where other sagas call it"
)]
pub trait CanBeUndone: Sized {
    /// Where the part of `site` is called.
    fn check(site: Site<Self>) {
        let _ = site;
    }
}

#[diagnostic::do_not_recommend]
impl<P: Part<Kind: AfterUndo>> CanBeUndone for P {}

/// A part of a saga that is `retriable`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can fail, but the saga that calls it is marked `retriable`",
    label = "this can fail",
    note = "leave `retriable` out: then the saga counts as a pivot where other sagas call it"
)]
pub trait NeverFails: Sized {
    /// Where the part of `site` is called.
    fn check(site: Site<Self>) {
        let _ = site;
    }
}

#[diagnostic::do_not_recommend]
impl<P: Part<Kind: Unfailing>> NeverFails for P {}

/// Two ways meet: the stricter one counts.
pub trait Join<Other>: Sized {
    /// Since when the saga only goes forward after both.
    type Then;

    /// After `one` and `other`.
    #[must_use]
    fn join(one: OrderPoint<Self>, other: OrderPoint<Other>) -> OrderPoint<Self::Then> {
        let _ = (one, other);
        OrderPoint(PhantomData)
    }
}

impl<Other> Join<Other> for OrderStart {
    type Then = Other;
}

impl<S: Part, Other> Join<Other> for S {
    type Then = S;
}
