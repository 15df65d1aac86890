//! From one attempt of a step to its settled outcome: what is decided, and the loop that carries it out.

mod attempt;
mod compensate;
mod decision;
mod outcome;
mod pending;
mod pursuit;
mod surroundings;

pub use attempt::AttemptResult;
pub use compensate::{Compensate, CompensationResult, Compensator, StepCompensator, compensate};
pub use decision::Verdict;
pub use outcome::{ErrorRecord, FailureCause, GiveUp, Settlement, StepEnd};
pub use pending::PendingStep;
pub use pursuit::{Origin, pursue};
pub use surroundings::{AttemptOutcome, AttemptReport, BoxFuture, Purpose, Surroundings};

pub(crate) use attempt::{attempt, caught};
pub(crate) use pending::{Action, Rules, StepRequest};
