//! Pauses: an operator has stopped all sagas of a definition for a while.

use std::fmt;
use std::time::SystemTime;

use crate::escaped::Escaped;
use crate::journal::{Journal, JournalError, Record};

/// A definition that an operator has paused: no saga of it begins an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pause {
    /// The durable name of the definition.
    pub name: String,
    /// The operator's reason.
    pub reason: String,
    /// When it was paused, in whole milliseconds.
    pub since: SystemTime,
}

impl Pause {
    /// A pause of the definition with this name.
    #[must_use]
    pub fn new(name: impl Into<String>, reason: impl Into<String>, since: SystemTime) -> Self {
        Self {
            name: name.into(),
            reason: reason.into(),
            since,
        }
    }
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is paused: {}",
            Escaped(&self.name),
            Escaped(&self.reason)
        )
    }
}

/// Tells the records of sagas that have not ended which of them are paused.
pub(crate) async fn find_pauses(
    journal: &dyn Journal,
    records: &mut [Record],
) -> Result<(), JournalError> {
    let paused = journal.paused().await?;
    for record in records.iter_mut().filter(|record| !record.state.is_final()) {
        let mut paused = paused.iter();
        record.pause = paused.find(|pause| pause.name == record.saga.name).cloned();
    }
    Ok(())
}
