//! The errors between a coordinator and its journal.

use std::error::Error;

use crate::escaped::Escaped;
use crate::journal::record::{Entry, Worker};

/// The journal could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// It can't be reached, or can't write: it is busy, the disk is full, the connection is down. Trying again may help.
    #[error("the journal is unavailable: {}", Escaped(.message))]
    Unavailable {
        /// The text of the store's error.
        message: String,
        /// The store's own error.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// Another process uses it.
    #[error("the journal {} is in use by {owner}", Escaped(.journal))]
    InUse {
        /// The path of the journal.
        journal: String,
        /// The process that uses it.
        owner: Worker,
    },
    /// It does not exist, although it has to.
    #[error(
        "the journal {journal} does not exist, or is empty: check the path, or open it without `must_exist` to create it"
    )]
    Missing {
        /// The path of the journal.
        journal: String,
    },
    /// Its file was removed or replaced while it was in use: nothing is recorded any more.
    #[error(
        "the journal {journal} was removed or replaced while it was in use: put the file back if you can, and start the \
         process again"
    )]
    Gone {
        /// The path of the journal.
        journal: String,
    },
    /// It is not a journal, or one of another version of this library, or its settings don't hold what is promised.
    #[error("{}", Escaped(.message))]
    Unsuitable {
        /// The problem, and the way out.
        message: String,
    },
    /// It was closed.
    #[error("the journal is closed")]
    Closed,
}

impl JournalError {
    /// The journal is unavailable because of an error of its store.
    pub fn unavailable(source: impl Error + Send + Sync + 'static) -> Self {
        Self::Unavailable {
            message: source.to_string(),
            source: Some(Box::new(source)),
        }
    }

    /// Returns whether trying again may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// Entries could not be added.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// Another worker has claimed the saga, or it is final: this claim is worth nothing any more.
    #[error("the saga is claimed by another worker or has ended (epoch {epoch})")]
    Fenced {
        /// The epoch of the claim.
        epoch: u64,
    },
    /// Other entries stand where these should, or there is a gap before them.
    #[error(
        "entry {seq} of the saga can't be written: another one is there, or the one before is missing"
    )]
    NotContiguous {
        /// The number of the first entry.
        seq: u64,
    },
    /// The journal could not do it.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// A record or an entry of a saga that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} can't be read: {}", DamagedEntry(*seq), Escaped(.message))]
pub struct Damage {
    /// The number of the entry; 0 for the record of the saga.
    pub seq: u64,
    /// The problem.
    pub message: String,
    /// The entries that can be read, before and behind the damage, in order.
    pub readable: Vec<Entry>,
}

/// The place of a damage.
struct DamagedEntry(u64);

impl std::fmt::Display for DamagedEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            0 => f.write_str("the record"),
            seq => write!(f, "entry {seq}"),
        }
    }
}

impl Damage {
    /// The record of a saga can't be read.
    pub fn of_record(message: impl Into<String>) -> Self {
        Self::new(0, message)
    }

    /// The entry with this number can't be read.
    pub fn new(seq: u64, message: impl Into<String>) -> Self {
        Self {
            seq,
            message: message.into(),
            readable: Vec::new(),
        }
    }

    /// The damage of a saga of which these entries can be read.
    #[must_use]
    pub fn beside(self, readable: Vec<Entry>) -> Self {
        Self { readable, ..self }
    }
}
