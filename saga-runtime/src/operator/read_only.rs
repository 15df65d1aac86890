//! The part of an operator's work that only reads a journal.

use std::slice;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;

use crate::id::SagaId;
use crate::journal::history::ReplayState;
use crate::journal::pause::find_pauses;
use crate::journal::{History, Journal, Record, State};
use crate::operator::{
    Accepted, CheckView, Operations, Outline, PauseView, Refusal, SagaCommand, SagaCounts,
    SagaDetails, SagaList, SagaQuery, SagaSummary, Trouble, WorkerView,
};

/// The most sagas that one page looks at, if the histories have to tell which ones are meant.
const MOST_EXAMINED: usize = 5000;

/// A journal that is read.
pub(super) struct ReadOnly {
    journal: Arc<dyn Journal>,
    /// Why it takes no commands, and where they go.
    why: String,
}

impl ReadOnly {
    pub(super) fn new(journal: Arc<dyn Journal>, why: String) -> Self {
        Self { journal, why }
    }

    fn refused(&self) -> Refusal {
        Refusal::new("read_only", &self.why)
    }
}

#[async_trait]
impl Operations for ReadOnly {
    fn access(&self) -> String {
        self.why.clone()
    }

    async fn list(&self, query: &SagaQuery) -> Result<SagaList, Refusal> {
        needs_no_service(query)?;
        list(&*self.journal, query, &|_| {}).await
    }

    async fn count(&self, query: &SagaQuery) -> Result<u64, Refusal> {
        needs_no_service(query)?;
        count(&*self.journal, query, &|_| {}).await
    }

    async fn show(&self, id: &SagaId, payloads: bool) -> Result<Option<SagaDetails>, Refusal> {
        let Some(mut found) = self.journal.load(id).await? else {
            return Ok(None);
        };
        find_pauses(&*self.journal, slice::from_mut(&mut found.record)).await?;
        Ok(Some(SagaDetails::new(found, payloads, None, |_| true)))
    }

    async fn counts(&self) -> Result<SagaCounts, Refusal> {
        Ok(self.journal.tally().await?.into())
    }

    async fn workers(&self) -> Result<Vec<WorkerView>, Refusal> {
        workers(&*self.journal).await
    }

    async fn definitions(&self) -> Result<Vec<Outline>, Refusal> {
        Ok(Vec::new())
    }

    async fn check(&self) -> Result<CheckView, Refusal> {
        Ok(CheckView::of_counts(&self.counts().await?))
    }

    async fn paused(&self) -> Result<Vec<PauseView>, Refusal> {
        paused(&*self.journal).await
    }

    async fn pause(&self, _name: &str, _reason: &str) -> Result<Accepted, Refusal> {
        Err(self.refused())
    }

    async fn resume(&self, _name: &str) -> Result<Accepted, Refusal> {
        Err(self.refused())
    }

    async fn command(
        &self,
        _id: &SagaId,
        _command: &SagaCommand,
        _reason: &str,
    ) -> Result<Accepted, Refusal> {
        Err(self.refused())
    }

    async fn purge(&self, _before: SystemTime) -> Result<u64, Refusal> {
        Err(self.refused())
    }
}

/// Checks that a journal can answer a query without the code of the service.
pub(super) fn needs_no_service(query: &SagaQuery) -> Result<(), Refusal> {
    if query.needs_service() {
        let message = "only the service knows which sagas are registered and fit: ask it, with its http:// address in place of the journal";
        return Err(Refusal::new("needs_service", message));
    }
    Ok(())
}

/// The workers that hold sagas.
pub(super) async fn workers(journal: &dyn Journal) -> Result<Vec<WorkerView>, Refusal> {
    let workers = journal.workers().await?.into_iter();
    Ok(workers.map(WorkerView::from).collect())
}

/// The paused definitions.
pub(super) async fn paused(journal: &dyn Journal) -> Result<Vec<PauseView>, Refusal> {
    let paused = journal.paused().await?.into_iter();
    Ok(paused.map(PauseView::from).collect())
}

/// A page of the sagas that a query admits. If the journal alone can't tell which they are, it has fewer sagas than asked for when
/// 5,000 were looked at, and up to twice as many.
///
/// `describe` adds what only the service knows about a record.
pub(super) async fn list(
    journal: &dyn Journal,
    query: &SagaQuery,
    describe: &(dyn Fn(&mut Record) + Sync),
) -> Result<SagaList, Refusal> {
    let mut filter = query.filter();
    let mut list = SagaList::default();
    let mut examined = 0;
    loop {
        let mut page = journal.list(&filter).await?;
        find_pauses(journal, &mut page.sagas).await?;
        examined += page.sagas.len().max(1);
        for mut record in page.sagas {
            describe(&mut record);
            if query.admits(&record) {
                let trouble = trouble(journal, query, &record, true).await?;
                if is_meant(query, trouble.as_ref()) {
                    list.sagas.push(SagaSummary::new(&record, trouble));
                }
            }
        }
        list.next = page.next;
        if page.next.is_none() || list.sagas.len() >= query.limit || examined >= MOST_EXAMINED {
            return Ok(list);
        }
        filter.after = page.next;
    }
}

/// The number of sagas that a query admits.
pub(super) async fn count(
    journal: &dyn Journal,
    query: &SagaQuery,
    describe: &(dyn Fn(&mut Record) + Sync),
) -> Result<u64, Refusal> {
    let mut filter = query.filter();
    if query.is_its_filter() {
        return Ok(journal.count(&filter).await?);
    }
    filter.limit = 1000;
    let mut sagas = 0;
    loop {
        let page = journal.list(&filter).await?;
        for mut record in page.sagas {
            describe(&mut record);
            if query.admits(&record) {
                let trouble = trouble(journal, query, &record, false).await?;
                sagas += u64::from(is_meant(query, trouble.as_ref()));
            }
        }
        match page.next {
            Some(next) => filter.after = Some(next),
            None => return Ok(sagas),
        }
    }
}

/// The trouble of a saga, if a list shows it or the query asks for it. The history is read only if the record does not tell; of a stuck
/// saga, only the history tells the steps.
async fn trouble(
    journal: &dyn Journal,
    query: &SagaQuery,
    record: &Record,
    is_shown: bool,
) -> Result<Option<Trouble>, Refusal> {
    let is_stuck = record.state == State::Stuck;
    let needs_steps = is_stuck && (is_shown || query.step.is_some());
    let is_told = query.needs_trouble() || needs_steps;
    if !is_told || record.state == State::Completed {
        return Ok(Trouble::failing(record));
    }
    let told = Trouble::failing(record).or_else(|| Trouble::undone(record));
    if told.is_some() && !needs_steps {
        return Ok(told);
    }
    let history = journal.load(&record.saga.id).await?;
    Ok(history.as_ref().and_then(trouble_of))
}

/// Returns whether the query means sagas with this trouble.
fn is_meant(query: &SagaQuery, trouble: Option<&Trouble>) -> bool {
    let contains =
        |message: &str, text: &str| message.to_lowercase().contains(&text.to_lowercase());
    !query.needs_trouble()
        || trouble.is_some_and(|trouble| {
            query.step.as_ref().is_none_or(|step| trouble.is_at(step))
                && query.code.as_ref().is_none_or(|code| *code == trouble.code)
                && query
                    .text
                    .as_ref()
                    .is_none_or(|text| contains(&trouble.message, text))
        })
}

fn trouble_of(found: &History) -> Option<Trouble> {
    let entries = match &found.entries {
        Ok(entries) => entries,
        Err(damage) => &damage.readable,
    };
    let history = ReplayState::new(entries).unwrap_or_else(|_| ReplayState::of_readable(entries));
    Trouble::of(&found.record, entries, &history)
}
