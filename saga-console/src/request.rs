//! What is asked of the JSON interface, beside addresses.

use saga_runtime::operator::SagaCommand;
use serde::{Deserialize, Serialize};

/// A command on one saga, with its reason and the name of the operator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandRequest {
    /// The command.
    #[serde(flatten)]
    pub command: SagaCommand,
    /// The reason. The history of the saga gets it.
    pub reason: String,
    /// The name of the operator. It stands behind the reason.
    pub by: String,
}

/// The removal of sagas that have ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PurgeRequest {
    /// The sagas that ended before this time, in milliseconds since 1970.
    pub(crate) before: u64,
    pub(crate) by: String,
}

/// The pause of a definition, or its end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PauseRequest {
    /// The durable name of the definition.
    pub(crate) name: String,
    /// The reason of a pause. The journal keeps it.
    #[serde(default)]
    pub(crate) reason: String,
    pub(crate) by: String,
}
