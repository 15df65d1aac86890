//! What the compiler has to agree to for a step to be a step and a call to be a call: one trait for each rule, whose
//! name and text are the message that a user reads.

mod call;
mod compensation;
mod input;
mod signature;

pub use call::{HandledCall, Outcome, RecordedError, RunsByItself, StepCall, WaitsAnywhere};
pub use compensation::{IsCompensation, resolving, undoing};
pub use input::SagaInput;
pub use signature::{IsContext, IsResult};
