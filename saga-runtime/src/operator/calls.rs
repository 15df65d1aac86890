//! The calls of one run, each with what has happened to it: what is laid over the outline of a saga.

use crate::operator::{EntryView, SagaDetails};

/// A call of a step or a wait, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallView {
    /// The durable name of the step: `charge`, `pack/charge`, `event:approved`.
    pub name: String,
    /// The number of earlier calls of the step.
    pub occurrence: u32,
    /// How the call stands.
    pub status: CallStatus,
    /// The number of attempts that the last entry about it tells.
    pub attempts: Option<u32>,
    /// The last reason that an entry about it has.
    pub message: Option<String>,
    /// When the last entry about it was written, in milliseconds since 1970.
    pub at: u64,
}

/// How a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallStatus {
    /// It is done.
    Done,
    /// It was refused, and had no effect.
    Refused,
    /// Its attempts fail, and it is attempted again.
    Failing,
    /// Its answer was lost.
    InDoubt,
    /// It waits for a time or an event.
    Waiting,
    /// The attempts to undo it fail, and it is attempted again.
    UndoFails,
    /// It is undone.
    Undone,
    /// It could not be undone.
    NotUndone,
    /// An operator has left its effect.
    Skipped,
}

impl CallStatus {
    /// The status in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failing => "failing",
            Self::InDoubt => "in doubt",
            Self::Waiting => "waits",
            Self::UndoFails => "undoing it fails",
            Self::Undone => "undone",
            Self::NotUndone => "NOT undone",
            Self::Skipped => "left as it is",
        }
    }

    /// A sign for the status, so that it needs no colour.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Done => "✓",
            Self::Refused => "✗",
            Self::Failing | Self::UndoFails => "↻",
            Self::InDoubt => "?",
            Self::Waiting => "…",
            Self::Undone => "↩",
            Self::NotUndone => "!",
            Self::Skipped => "–",
        }
    }

    /// The status after an entry. `None` if the entry says nothing about a call.
    fn after(before: Option<Self>, event: &str) -> Option<Self> {
        Some(match event {
            "step_done" | "wait_over" | "step_completed" | "step_settled_done" => Self::Done,
            "step_refused" | "step_settled_nothing" => Self::Refused,
            "step_in_doubt" => Self::InDoubt,
            "step_settled_resolved" | "compensation_done" | "compensation_resolved" => Self::Undone,
            "step_settled_unresolved" | "compensation_failed" => Self::NotUndone,
            "compensation_skipped" => Self::Skipped,
            "waiting" => Self::Waiting,
            "failing" => match before {
                Some(Self::Done | Self::UndoFails | Self::NotUndone) => Self::UndoFails,
                _ => Self::Failing,
            },
            _ => return None,
        })
    }
}

impl CallView {
    #[cfg(test)]
    pub(super) fn new(name: &str, status: CallStatus) -> Self {
        Self {
            name: name.to_owned(),
            occurrence: 0,
            status,
            attempts: None,
            message: None,
            at: 0,
        }
    }

    /// The call as histories have it: `charge`, `charge#1`.
    #[must_use]
    pub fn call(&self) -> String {
        match self.occurrence {
            0 => self.name.clone(),
            number => format!("{}#{number}", self.name),
        }
    }
}

impl SagaDetails {
    /// The calls of the run, in the order of their first entries.
    #[must_use]
    pub fn calls(&self) -> Vec<CallView> {
        let mut calls: Vec<CallView> = Vec::new();
        for entry in &self.entries {
            let Some(name) = &entry.step else { continue };
            let is_it = |call: &CallView| call.name == *name && call.occurrence == entry.occurrence;
            let known = calls.iter().position(is_it);
            let before = known.map(|index| calls[index].status);
            let Some(status) = CallStatus::after(before, &entry.event) else {
                continue;
            };
            let call = call(entry, name, status);
            match known {
                Some(index) => calls[index] = call,
                None => calls.push(call),
            }
        }
        calls
    }
}

fn call(entry: &EntryView, name: &str, status: CallStatus) -> CallView {
    CallView {
        name: name.to_owned(),
        occurrence: entry.occurrence,
        status,
        attempts: entry.attempts,
        message: entry.message.clone(),
        at: entry.at,
    }
}
