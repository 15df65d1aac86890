//! The rules that the compiler checks, by the names under which its messages show them.

pub use crate::order::{
    Beside, CanBeUndone, InGroup, Join, MayFailAfter, MayFollow, NeverFails, OnlyPivot, begin,
};
pub use crate::run::SubSaga;
pub use crate::wiring::{
    HandledCall, IsCompensation, IsContext, IsResult, Outcome, RecordedError, RunsByItself,
    SagaInput, StepCall, WaitsAnywhere, resolving, undoing,
};
