//! The journal of the orders service, read beside the process that writes it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use saga_runtime::SagaId;
use saga_runtime::coordinator::Inspector;
use saga_runtime::journal::{Filter, Sqlite};

use super::CutOff;
use crate::checkout::APPROVAL;

#[derive(Debug)]
pub(in crate::demo) struct OnJournal {
    file: PathBuf,
    inspector: Option<Inspector>,
}

impl OnJournal {
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self {
            file: folder.join("sagas.db"),
            inspector: None,
        }
    }

    pub(super) fn options(&self) -> Vec<(&'static str, String)> {
        vec![("--journal", self.file.to_string_lossy().into_owned())]
    }

    pub(super) async fn orders_has_started(&mut self) -> anyhow::Result<()> {
        let journal = Sqlite::open_read_only(&self.file).await?;
        self.inspector = Some(Inspector::new(journal));
        Ok(())
    }

    pub(super) async fn open(&self) -> anyhow::Result<HashMap<SagaId, CutOff>> {
        open_orders(self.inspector.as_ref().context("the journal is there")?).await
    }
}

/// The orders on a journal that have begun and not ended.
pub(super) async fn open_orders(inspector: &Inspector) -> anyhow::Result<HashMap<SagaId, CutOff>> {
    let mut open = HashMap::new();
    let mut filter = Filter::default();
    loop {
        let page = inspector.list(&filter).await?;
        for saga in page.sagas {
            if saga.state.is_final() {
                continue;
            }
            let inspected = inspector.inspect(&saga.saga.id).await?;
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
