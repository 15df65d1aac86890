//! Static facts about steps and sagas: names, kinds, retry policies, options. They are known before anything runs.

mod retry;
mod saga;
mod step;

pub use retry::{Backoffs, RetryPolicy};
pub use saga::{CompensationOrder, OnCompensationFailure, SagaMeta};
pub use step::{Kind, StepMeta};
