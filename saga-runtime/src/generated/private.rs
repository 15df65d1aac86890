//! The functions and types that generated code uses. Not a public interface.

pub use std::string::String;
pub use std::vec::Vec;

pub use serde;

pub use crate::as_written;
pub use crate::generated::shape::{
    arm, fan_out, group, inner, part as shape_of, repeat, wait as wait_of,
};
pub use crate::language::digest::{AddsInput, Digest, DigestInput, SkipsInput};
pub use crate::language::error_record::ErrorOf;
pub use crate::language::kind::{Compensatable, NothingToUndo, Pivot, Retriable};
pub use crate::language::order::Site;
pub use crate::language::{Awaited, ErrorRecord, Never};
pub use crate::run::{
    At, CallEnd, Callable, Called, CalledSubSaga, End, EndOf, First, Forward, Forwarding,
    HandedOver, InnerStart, Input, Keeps, KeptCall, Left, Many, MemberCall, Members, Number, One,
    Parts, PendingCall, Plan, Refusals, Returned, Run, Slot, Slots, Start, Stop, Tried, Unstarted,
    Unwind, Unwinding, Unwound, begin, closes, first, parts, settle,
};

use crate::engines::in_process::InProcess;
use crate::error::SagaError;
use crate::language::{Call, KindOf, Part, Step};
use crate::place::Context;
use crate::run::Saga;

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
pub fn returned<P: Part, T, F>(
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

/// Emits its tokens unchanged. Editors need it.
#[doc(hidden)]
#[macro_export]
macro_rules! as_written {
    ($($tokens:tt)*) => { $($tokens)* };
}
