//! The rules that the compiler checks, by the names under which its messages show them.

pub use crate::order::{Join, MayFailAfter, MayFollow, OnlyPivot, begin};
pub use crate::wiring::{
    IsCompensation, IsContext, IsResult, Outcome, RecordedError, SagaInput, StepCall, SubSaga,
    resolving, undoing,
};
