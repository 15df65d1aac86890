//! The rules that the compiler checks, by the names under which its messages show them.

pub use crate::order::{begin, join, left, may_fail, then};
pub use crate::wiring::{
    IsCompensation, IsContext, IsResult, RecordedError, StepCall, handled, only_steps, undoing,
};
