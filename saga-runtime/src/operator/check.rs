//! The result of a check of the open sagas, as data that can be sent.

use serde::{Deserialize, Serialize};

use crate::coordinator::CheckReport;
use crate::journal::State;
use crate::operator::SagaCounts;

/// The result of a check: if the open sagas of a journal fit the definitions of the service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CheckView {
    /// True if this has the code of the sagas, and has replayed them. Otherwise only [`definitions`](Self::definitions) is filled: what
    /// the code that is to run here must register.
    pub is_replayed: bool,
    /// The number of sagas that were replayed.
    pub checked: u64,
    /// The number of sagas that don't fit their definitions.
    pub misfit_count: u64,
    /// The first 1,000 of them.
    pub misfits: Vec<MisfitView>,
    /// The definitions of the open sagas.
    pub definitions: Vec<OpenDefinition>,
}

/// An open saga that does not fit its definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MisfitView {
    /// The id of the saga.
    pub id: String,
    /// The durable name of its definition.
    pub name: String,
    /// The version of its definition.
    pub version: u32,
    /// The code with which it will be stuck when it wakes.
    pub code: String,
    /// The reason, in a sentence.
    pub message: String,
}

/// A definition that has open sagas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OpenDefinition {
    /// The durable name.
    pub name: String,
    /// The version.
    pub version: u32,
    /// The number of its open sagas, without the stuck ones.
    pub open: u64,
    /// The number of its stuck sagas. They are not replayed: `retry` compares them again.
    pub stuck: u64,
    /// True if the service has registered it. `None` without the code of the service.
    pub is_registered: Option<bool>,
}

impl CheckView {
    /// Returns whether every open saga is registered and fits, as far as this can tell.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        let mut definitions = self.definitions.iter();
        self.misfit_count == 0 && !definitions.any(|one| one.is_registered == Some(false))
    }

    /// What a journal tells without the code of its sagas.
    pub(super) fn of_counts(counts: &SagaCounts) -> Self {
        let mut view = Self::default();
        for count in &counts.open {
            let definitions = &mut view.definitions;
            let is_it =
                |one: &OpenDefinition| one.name == count.name && one.version == count.version;
            let index = definitions.iter().position(is_it).unwrap_or_else(|| {
                definitions.push(OpenDefinition {
                    name: count.name.clone(),
                    version: count.version,
                    open: 0,
                    stuck: 0,
                    is_registered: None,
                });
                definitions.len() - 1
            });
            let definition = &mut definitions[index];
            if count.state == State::Stuck.name() {
                definition.stuck += count.sagas;
            } else {
                definition.open += count.sagas;
            }
        }
        view
    }

    /// What the service has found out.
    pub(super) fn replayed(
        report: CheckReport,
        counts: &SagaCounts,
        is_registered: impl Fn(&str, u32) -> bool,
    ) -> Self {
        let mut view = Self::of_counts(counts);
        for definition in &mut view.definitions {
            let known = is_registered(&definition.name, definition.version);
            definition.is_registered = Some(known);
        }
        let misfits = report.misfits.into_iter().map(|misfit| MisfitView {
            id: misfit.id.as_str().to_owned(),
            name: misfit.name,
            version: misfit.version,
            code: misfit.code.into_owned(),
            message: misfit.message,
        });
        Self {
            is_replayed: true,
            checked: report.checked,
            misfit_count: report.misfit_count,
            misfits: misfits.collect(),
            ..view
        }
    }
}
