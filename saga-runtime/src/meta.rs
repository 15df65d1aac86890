//! Static facts about steps and sagas: names, kinds, retry policies, options. They are known before anything runs.
//!
//! `#[step(…)]` and `#[saga(…)]` set them. A program reads them in a [`Shape`](crate::Shape); an engine gets them with
//! each call.

mod overrides;
mod policy;
mod retry;
mod saga;
mod step;

pub use overrides::Overrides;
pub use policy::Policy;
pub use retry::{Backoffs, RetryDefaults, RetryPolicy};
pub use saga::{CompensationOrder, OnCompensationFailure, SagaMeta, UndoRules};
pub use step::{AttemptPhase, Kind, StepMeta};
