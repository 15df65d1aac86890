//! The functions and types that generated code uses. Not a public interface.

pub use std::future::{Future, pending};
pub use std::marker::Send;
pub use std::ops::ControlFlow::{Break, Continue};
pub use std::ops::FnOnce;
pub use std::result::Result;

pub use std::string::String;

pub use serde;

pub use crate::error::{HoldsError, IsError, IsText, SagaError, SourceOf};
#[cfg(rust_analyzer)]
pub use crate::generated::editor;
pub use crate::generated::shape::{
    EventOf, NoEvent, arm, branch, callee as shape_of, fan_out, group, handled, inner, repeat,
    saga_callee, shape, wait as wait_of,
};
pub use crate::language::digest::{AddsInput, Digest, DigestInput, SkipsInput};
pub use crate::language::error_record::ErrorOf;
pub use crate::language::kind::{Compensatable, NothingToUndo, Pivot, Retriable};
pub use crate::language::order::Site;
pub use crate::language::{Awaited, Call, Callee, ErrorRecord, Never, Step};
pub use crate::meta::{
    CompensationOrder, Kind, OnCompensationFailure, RetryPolicy, SagaMeta, StepMeta,
};
pub use crate::run::{
    At, Begun, CallEnd, Callable, Called, CalledSubSaga, Callees, End, EndOf, Engine, FirstTried,
    Forward, Forwarding, HandedOver, Input, Inputs, Keeps, KeptCall, Left, Many, MemberCall,
    Members, Number, One, PendingCall, Plan, Refusals, Returned, Run, Saga, Slot, SlotGroups,
    SlotTuple, Slots, Start, Stop, SubSagaStart, Tried, Unstarted, Unwind, Unwinding, Unwound,
    callees, closes, context,
};

pub use crate::shape::{Node, Shape};

#[cfg(debug_assertions)]
pub use crate::engines::compiled_ahead;
use crate::engines::in_process::InProcess;
use crate::language::KindOf;
use crate::place::Context;

/// Creates the call of a step.
#[inline]
pub fn call<'run, 'a, S: Step>(
    cx: Context<'run, S::Services>,
    args: S::Args<'a>,
) -> Call<'run, 'a, S> {
    Call::new(cx, args)
}

/// Runs a saga in process.
// A function of its own, so that rustc reports services that can't be shared at the saga alone.
#[inline]
pub fn execute<G: Saga>(
    saga: G,
    services: &G::Services,
) -> impl Future<Output = Result<G::Output, SagaError<G::Error>>> + Send {
    InProcess::new(services).execute(saga)
}

/// Converts the result of a call into the value of `call.await`.
#[inline]
pub fn returned<P: Callee, T, F>(
    _: Site<P>,
    returned: Result<T, F>,
) -> <P::Kind as KindOf>::Returned<T, F> {
    P::Kind::returned(returned)
}

/// Gives a block its return type; never called.
#[must_use]
pub fn never<R>() -> R {
    unreachable!("generated code never calls this")
}
