//! The rules that the compiler checks, under the names that its messages show.

pub use crate::generated::call::{
    HandledCall, IsMember, IsStepCall, RecordedError, RunsByItself, WaitsAnywhere,
};
pub use crate::generated::compensation::{
    Compensating, IsCompensation, resolving, undoing, undoing_by_key,
};
pub use crate::generated::input::SagaInput;
pub use crate::generated::signature::{IsContext, IsResult, holds};
pub use crate::language::order::{
    Beside, CanBeUndone, InGroup, Join, MayFailAfter, MayFollow, NeverFails, OnlyPivot, begin,
};
pub use crate::run::SubSaga;
