//! The way from one attempt of a step to its settled outcome: pure decisions, and the loops that carry them out.

mod attempt;
mod compensate;
mod compensation;
mod control;
mod decision;
mod drive;
mod outcome;
mod pending;
mod pursuit;
mod surroundings;

pub use attempt::AttemptResult;
pub use compensate::{Compensate, CompensationResult, Compensator, StepCompensator};
pub use compensation::CompensationOrigin;
pub(crate) use control::StopAnswer;
pub use control::{Control, WayBack};
pub use decision::Verdict;
pub use drive::{compensate, pursue};
pub use outcome::{FailureCause, GiveUp, Settlement, StepEnd};
pub use pending::PendingStep;
pub use pursuit::Origin;
pub use surroundings::{
    ATTEMPT_TIMEOUT, AttemptOutcome, AttemptReport, Backoff, BoxFuture, LastError, Purpose,
    Surroundings,
};

pub(crate) use attempt::{attempt, caught};
pub(crate) use pending::{Action, Rules, StepRequest};
