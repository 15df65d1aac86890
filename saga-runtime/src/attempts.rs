//! From one attempt of a step to its settled outcome: what is decided, and the loop that carries it out.

mod attempt;
mod decision;
mod outcome;
mod pending;
mod pursuit;
mod surroundings;
mod undo;

pub use attempt::Attempted;
pub use decision::Answer;
pub use outcome::{ErrorRecord, Failing, Settlement, StepEnd, Why};
pub use pending::Requested;
pub use pursuit::{Begin, pursue};
pub use surroundings::{BoxFuture, Heard, Phase, Said, Surroundings};
pub use undo::{Compensate, Compensating, Undoing, Undone, undo};

pub(crate) use attempt::{attempt, caught};
pub(crate) use pending::{Action, Request, Rules};
