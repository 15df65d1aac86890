//! A paused definition, as data that can be sent.

use serde::{Deserialize, Serialize};

use crate::journal::{Pause, to_millis};
use crate::operator::Refusal;

/// A definition that an operator has paused: no saga of it begins an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PauseView {
    /// The durable name of the definition.
    pub name: String,
    /// The operator's reason.
    pub reason: String,
    /// When it was paused, in milliseconds since 1970.
    pub since: u64,
}

impl From<Pause> for PauseView {
    fn from(pause: Pause) -> Self {
        Self {
            since: to_millis(pause.since),
            name: pause.name,
            reason: pause.reason,
        }
    }
}

/// The refusal to pause a definition that is not there: most probably its name is misspelt.
pub(super) fn no_definition(name: &str, known: &[&str]) -> Refusal {
    let known = if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(", ")
    };
    let message =
        format!("no definition `{name}` is registered, and no saga is of it; these are: {known}");
    Refusal::new("no_definition", message)
}

/// The refusal to resume a definition that is not paused.
pub(super) fn not_paused(name: &str) -> Refusal {
    Refusal::new("not_paused", format!("`{name}` is not paused"))
}
