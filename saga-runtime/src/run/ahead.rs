//! The code of runs on one engine that names no saga, compiled ahead: with the engine, and not with each crate that has sagas.
//!
//! A generic function is compiled in the first crate that names its types, and a debug build links it into all crates after that.
//! The glue that drops its futures stands in a codegen unit of its crate that each edit of a step compiles again. In a release build
//! the crates share nothing, and unwinding names the types of the slots.

use crate::attempts::{BoxFuture, PendingStep, StepEnd, Verdict};
use crate::panic::contain;
use crate::place::Calls;
use crate::run::call_log::CallLog;
use crate::run::slots::EndedSlots;
use crate::run::unwind::{EndedCalls, Unwinding, Unwound};
use crate::run::{Engine, Run};

/// Functions on the engine `E`, so that the compiler compiles them here. Nothing calls them.
pub(crate) fn ahead<E: Engine + 'static>() -> impl Sized {
    (
        unwound::<E> as fn(_, _, _) -> _,
        stepped::<E> as fn(_, _, _, _) -> _,
        drop::<Run<'static, 'static, E>> as fn(_),
    )
}

fn unwound<'a, E: Engine + 'static>(
    unwinding: &'a mut Unwinding<'a>,
    ended: &'a EndedCalls<'a, E, dyn EndedSlots<E> + 'a>,
    called: &'a CallLog,
) -> BoxFuture<'a, Unwound<E>> {
    Box::pin(unwinding.run(ended, called))
}

fn stepped<'a, E: Engine + 'static>(
    engine: &'a E,
    calls: &'a dyn Calls,
    step: &'a mut dyn PendingStep,
    first: Option<Verdict>,
) -> BoxFuture<'a, Result<StepEnd<E::Suspension>, String>> {
    Box::pin(contain(engine.step(calls, step, first)))
}
