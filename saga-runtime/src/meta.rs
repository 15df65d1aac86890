//! The facts about steps and sagas that are known before anything runs: names, kinds, policies, options.

mod retry;
mod saga;
mod step;

pub use retry::{Backoffs, RetryPolicy};
pub use saga::{CompensationOrder, OnCompensationFailure, SagaMeta};
pub use step::{Kind, StepMeta};
