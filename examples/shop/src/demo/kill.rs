//! What the journal says of the orders when their process is killed, and when the next one has taken over.

use std::collections::HashMap;
use std::path::Path;

use saga_runtime::SagaId;
use saga_runtime::coordinator::Inspector;
use saga_runtime::journal::{Filter, JournalError, Sqlite};

use crate::checkout::APPROVAL;

/// What an order was about when its process was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CutOff {
    /// It was in the middle of a step.
    Running,
    /// It was waiting for its approval.
    Waiting,
}

/// Reads the journal, beside the process that writes it.
#[derive(Debug)]
pub(super) struct Watch(Inspector);

impl Watch {
    /// Reads this journal, which is there already.
    pub(super) async fn of(journal: &Path) -> Result<Self, JournalError> {
        let journal = Sqlite::open_read_only(journal).await?;
        Ok(Self(Inspector::new(journal)))
    }

    /// The orders that have begun and not ended, by their request ids.
    pub(super) async fn open(&self) -> Result<HashMap<SagaId, CutOff>, JournalError> {
        let mut open = HashMap::new();
        let mut filter = Filter::default();
        loop {
            let page = self.0.list(&filter).await?;
            for saga in page.sagas {
                if saga.state.is_final() {
                    continue;
                }
                let inspected = self.0.inspect(&saga.saga.id).await?;
                let inspected = inspected.filter(|saga| !saga.record.state.is_final());
                if let Some(inspected) = inspected {
                    let cut_off = if inspected.awaits(APPROVAL) {
                        CutOff::Waiting
                    } else {
                        CutOff::Running
                    };
                    open.insert(saga.saga.id, cut_off);
                }
            }
            match page.next {
                Some(next) => filter = filter.after(next),
                None => return Ok(open),
            }
        }
    }
}
