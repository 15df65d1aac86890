//! Sagas whose wiring the compiler checks.

mod attempt;
mod compensation;
mod context;
mod control;
mod decision;
mod engine;
mod error;
mod id;
mod in_process;
mod key;
pub mod kind;
mod order;
mod payload;
mod place;
mod pursuit;
mod retry;
mod run;
mod saga;
mod shape;
mod step;
mod telemetry;
mod wiring;

#[doc(hidden)]
pub mod rules;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use attempt::Attempted;
pub use compensation::{CompensationFailure, CompensationOrder, OnCompensationFailure};
pub use context::Context;
pub use control::Interruption;
pub use engine::{Engine, Settlement, StepEnd, Stopped, Why};
pub use error::{Cause, Compensation, CompensationOutcome, SagaError};
pub use id::{InvalidSagaId, SagaId};
pub use in_process::InProcess;
pub use key::IdempotencyKey;
pub use payload::Payload;
pub use place::{Attempt, Calls, Instance, Position, Role};
pub use retry::{Backoffs, RetryPolicy};
pub use saga::{Saga, SagaEnd, SagaMeta};
pub use saga_macros::{saga, step};
pub use shape::{Arm, Node, Shape};
pub use step::{Call, Kind, Step, StepMeta};
