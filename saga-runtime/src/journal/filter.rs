//! The question for a list of sagas, and the answer: a page.

use std::time::SystemTime;

use crate::call_name;
use crate::journal::{Entry, Event, Journal, JournalError, Record, State};

/// Which sagas to list: `Filter::default().state(State::Stuck).limit(20)`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Filter {
    /// Only sagas in this state.
    pub state: Option<State>,
    /// Only sagas of this definition.
    pub name: Option<String>,
    /// Only sagas of this version of their definition.
    pub version: Option<u32>,
    /// Only sagas in which a step [fails](Record::failing), and is attempted again.
    pub failing: bool,
    /// Only sagas in which the step with this durable name fails, in any call of it.
    pub failing_step: Option<String>,
    /// Only sagas whose id begins with this.
    pub id_prefix: Option<String>,
    /// Only sagas that were started at this time or later.
    pub started_from: Option<SystemTime>,
    /// Only sagas that were started before this time.
    pub started_before: Option<SystemTime>,
    /// Only sagas of which an operator has skipped a compensation.
    pub skipped: bool,
    /// Only sagas whose entries tell of this trouble.
    pub trouble: TroubleFilter,
    /// Goes on after this page: [`Page::next`].
    pub after: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            state: None,
            name: None,
            version: None,
            failing: false,
            failing_step: None,
            id_prefix: None,
            started_from: None,
            started_before: None,
            skipped: false,
            trouble: TroubleFilter::default(),
            after: None,
            limit: 100,
        }
    }
}

impl Filter {
    /// Only sagas in this state.
    #[must_use]
    pub fn state(mut self, state: State) -> Self {
        self.state = Some(state);
        self
    }

    /// Only sagas of this definition.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Only sagas of this version of their definition.
    #[must_use]
    pub fn version(mut self, version: u32) -> Self {
        self.version = Some(version);
        self
    }

    /// Only sagas in which a step [fails](Record::failing), and is attempted again.
    #[must_use]
    pub fn failing(mut self) -> Self {
        self.failing = true;
        self
    }

    /// Only sagas in which this step fails, and is attempted again: `charge`, or `pack/reserve` of the called saga `pack`.
    #[must_use]
    pub fn failing_step(mut self, step: impl Into<String>) -> Self {
        self.failing = true;
        self.failing_step = Some(step.into());
        self
    }

    /// Only sagas whose id begins with this.
    #[must_use]
    pub fn id_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.id_prefix = Some(prefix.into());
        self
    }

    /// Only sagas that were started at this time or later.
    #[must_use]
    pub fn started_from(mut self, time: SystemTime) -> Self {
        self.started_from = Some(time);
        self
    }

    /// Only sagas that were started before this time.
    #[must_use]
    pub fn started_before(mut self, time: SystemTime) -> Self {
        self.started_before = Some(time);
        self
    }

    /// Only sagas of which an operator has skipped a compensation: an effect of theirs stays.
    #[must_use]
    pub fn skipped(mut self) -> Self {
        self.skipped = true;
        self
    }

    /// Only sagas whose entries tell of this trouble. The trouble may be over.
    #[must_use]
    pub fn trouble(mut self, trouble: TroubleFilter) -> Self {
        self.trouble = trouble;
        self
    }

    /// Goes on after a page: its [`next`](Page::next).
    #[must_use]
    pub fn after(mut self, next: u64) -> Self {
        self.after = Some(next);
        self
    }

    /// At most so many; 100 if nothing is said.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Returns whether the filter admits a record, apart from the page and from what the entries tell: [`skipped`](Self::skipped) and
    /// [`trouble`](Self::trouble).
    #[must_use]
    pub fn admits(&self, record: &Record) -> bool {
        self.state.is_none_or(|state| state == record.state)
            && self
                .name
                .as_ref()
                .is_none_or(|name| *name == record.saga.name)
            && self
                .version
                .is_none_or(|version| version == record.saga.version)
            && (!self.failing || !record.failing.is_empty())
            && self.failing_step.as_ref().is_none_or(|step| {
                let mut failing = record.failing.iter();
                failing.any(|failing| failing.call.name == step.as_str())
            })
            && self
                .id_prefix
                .as_ref()
                .is_none_or(|prefix| record.saga.id.as_str().starts_with(prefix.as_str()))
            && self
                .started_from
                .is_none_or(|from| record.started_at >= from)
            && self
                .started_before
                .is_none_or(|before| record.started_at < before)
    }
}

/// The trouble of which the entries of a saga tell: a step that fails, the start of its compensation, or, while it is stuck, the reason
/// for that. For each part that is set, there has to be such an entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TroubleFilter {
    /// This step fails, or its failure has begun the compensation; of a stuck saga, any entry of the step. `charge` means each call of
    /// the step, and so does `charge#1`.
    pub step: Option<String>,
    /// The code of the reason.
    pub code: Option<String>,
    /// The text of the reason has this in it; letters of ASCII may be capitals. If the text has others, each saga in trouble is listed.
    pub text: Option<String>,
}

impl TroubleFilter {
    /// Returns whether no part is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.step.is_none() && self.code.is_none() && self.text.is_none()
    }

    /// The durable name of the step, without the number of a call.
    #[must_use]
    pub fn step_name(&self) -> Option<&str> {
        self.step.as_deref().map(|step| call_name::split(step).0)
    }

    /// The text, in small letters, if a journal compares it.
    #[must_use]
    pub fn ascii_text(&self) -> Option<String> {
        let text = self.text.as_ref().filter(|text| text.is_ascii());
        text.map(|text| text.to_ascii_lowercase())
    }

    /// Returns whether the filter admits a saga in this state with these entries.
    #[must_use]
    pub fn admits(&self, state: State, entries: &[Entry]) -> bool {
        let reasons = || {
            entries.iter().filter_map(|entry| match &entry.event {
                Event::Stuck { reason } if state == State::Stuck => Some(reason),
                Event::Failing { reason, .. } | Event::Compensating { reason, .. } => Some(reason),
                _ => None,
            })
        };
        let is_at = |entry: &Entry, name: &str| match &entry.event {
            Event::Compensating { step, .. } => step
                .as_deref()
                .is_some_and(|call| call_name::split(call).0 == name),
            Event::Failing { step, .. } => step.name == name,
            event => state == State::Stuck && event.step().is_some_and(|step| step.name == name),
        };
        let in_text = |text: String| {
            reasons().any(|reason| reason.message.to_ascii_lowercase().contains(&text))
        };
        self.step_name()
            .is_none_or(|name| entries.iter().any(|entry| is_at(entry, name)))
            && self
                .code
                .as_ref()
                .is_none_or(|code| reasons().any(|reason| reason.code == code.as_str()))
            && match self.ascii_text() {
                Some(text) => in_text(text),
                None => self.text.is_none() || reasons().next().is_some(),
            }
    }
}

/// A part of a list of sagas, the newest first.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Page {
    /// The sagas.
    pub sagas: Vec<Record>,
    /// The beginning of the next page, if there is one: [`Filter::after`].
    pub next: Option<u64>,
}

impl Page {
    /// A page, and where the next one begins.
    #[must_use]
    pub fn new(sagas: Vec<Record>, next: Option<u64>) -> Self {
        Self { sagas, next }
    }
}

/// Counts sagas page by page.
pub(crate) async fn count_pages<J: Journal + ?Sized>(
    journal: &J,
    filter: &Filter,
) -> Result<u64, JournalError> {
    let mut filter = filter.clone().limit(1000);
    let mut sagas = 0;
    loop {
        let page = journal.list(&filter).await?;
        sagas += page.sagas.len() as u64;
        match page.next {
            Some(next) => filter.after = Some(next),
            None => return Ok(sagas),
        }
    }
}
