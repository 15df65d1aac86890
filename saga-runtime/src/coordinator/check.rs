//! The check that the open sagas of a journal fit what is registered: each is replayed up to the first call without a
//! recorded outcome, and nothing has an effect.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::time::Instant;

use crate::attempts::Control;
use crate::coordinator::registry::Definitions;
use crate::coordinator::{BATCH, Shared};
use crate::engines::control::LocalControl;
use crate::engines::journaled::recorder::{EventInbox, Recorder, Tenure};
use crate::engines::journaled::{Journaled, Policies};
use crate::error::Reason;
use crate::escaped::Escaped;
use crate::id::SagaId;
use crate::journal::history::ReplayState;
use crate::journal::{Claim, Filter, History, Journal, JournalError, Record, State, StepCall};
use crate::lock::lock;
use crate::meta::SagaMeta;
use crate::place::Instance;
use crate::telemetry;

/// The reaction of a coordinator, at its start, to open sagas that don't fit what is registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnMisfit {
    /// It starts, and reports each of them. They are stuck when they wake.
    #[default]
    Report,
    /// It checks all open sagas first, and does not start.
    Refuse,
}

/// The result of a check of the open sagas. `Display` shows it to people, without payloads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// The number of sagas that were replayed.
    pub checked: u64,
    /// The number of sagas that don't fit their definitions.
    pub misfit_count: u64,
    /// The first 1,000 of them.
    pub misfits: Vec<Misfit>,
    /// The names and versions of open sagas that are not registered.
    pub unregistered: Vec<Unregistered>,
}

/// An open saga that does not fit its definition.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Misfit {
    /// The id of the saga.
    pub id: SagaId,
    /// Its durable name.
    pub name: String,
    /// The version of its definition.
    pub version: u32,
    /// The code with which it will be stuck: `definition_changed`, `unreadable`, `damaged`, …
    pub code: Cow<'static, str>,
    /// The reason, in a sentence.
    pub message: String,
    /// The recorded call of a step or a wait that does not fit. `None` if the reason is not in one call.
    pub step: Option<StepCall>,
}

impl Misfit {
    pub(crate) fn new(id: SagaId, name: String, version: u32, unfit: Unfit) -> Self {
        let Unfit { reason, step } = unfit;
        Self {
            id,
            name,
            version,
            code: reason.code,
            message: reason.message,
            step,
        }
    }

    fn tell(&self) {
        let step = self.step.as_ref();
        let step = step.map(|step| (&*step.name, step.occurrence));
        telemetry::misfit(&self.id, (&self.name, self.version), step, &self.code);
    }
}

/// The reason why a replay fails, and the recorded call that does not fit.
#[derive(Debug)]
pub(crate) struct Unfit {
    pub(crate) reason: Reason,
    pub(crate) step: Option<StepCall>,
}

impl From<Reason> for Unfit {
    fn from(reason: Reason) -> Self {
        Self { reason, step: None }
    }
}

/// The open sagas of a name and a version that are not registered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unregistered {
    /// The durable name.
    pub name: String,
    /// The version.
    pub version: u32,
    /// The number of open sagas.
    pub count: u64,
}

/// The most misfits in a report.
const MOST_MISFITS: usize = 1000;

/// The number of sagas that are replayed at the same time.
const AT_ONCE: usize = 32;

impl CheckReport {
    /// Returns whether every open saga fits, as far as it is registered.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.misfit_count == 0
    }

    /// Tells the log what is not registered, and the numbers.
    pub(super) fn tell(&self) {
        for one in &self.unregistered {
            telemetry::unregistered(&one.name, one.version, one.count);
        }
        telemetry::checked(self.checked, self.misfit_count);
    }

    fn add(&mut self, misfit: Misfit) {
        self.misfit_count += 1;
        if self.misfits.len() < MOST_MISFITS {
            self.misfits.push(misfit);
        }
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} open sagas checked, {} do not fit their definitions",
            self.checked, self.misfit_count
        )?;
        for misfit in &self.misfits {
            writeln!(f, "  {misfit}")?;
        }
        let more = self.misfit_count - self.misfits.len() as u64;
        if more > 0 {
            writeln!(f, "  and {more} more")?;
        }
        for one in &self.unregistered {
            writeln!(f, "  {one}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, message) = (Escaped(&self.name), Escaped(&self.message));
        write!(
            f,
            "saga {} ({name}, version {}): {}: {message}",
            self.id, self.version, self.code
        )
    }
}

impl fmt::Display for Unregistered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Escaped(&self.name);
        write!(
            f,
            "not registered: {name}, version {}: {} open",
            self.version, self.count
        )
    }
}

/// Makes the engines on which sagas are replayed without effects.
pub(super) struct Stage {
    journal: Arc<dyn Journal>,
    tenure: Arc<Tenure>,
    policies: Arc<Policies>,
}

impl Stage {
    pub(super) fn new(journal: Arc<dyn Journal>, policies: Arc<Policies>) -> Self {
        Self {
            journal,
            tenure: Arc::new(Tenure::new(Instant::now() + Duration::from_secs(1))),
            policies,
        }
    }

    /// The engine for a saga with this history.
    pub(super) fn engine(&self, meta: &SagaMeta, id: SagaId, history: ReplayState) -> Journaled {
        let control = LocalControl::new(None);
        if history.only_goes_forward() {
            control.way_back().close();
        }
        let recorder = Recorder::rehearsing(
            Arc::clone(&self.journal),
            Claim {
                id: id.clone(),
                epoch: 0,
            },
            EventInbox::from_history(&history),
            Arc::clone(&self.tenure),
        );
        let instance = Instance::new(meta.name, Some(id));
        Journaled::new(
            instance,
            Arc::new(control),
            history.into(),
            Arc::new(recorder),
            Arc::clone(&self.policies),
            0,
            meta,
        )
    }
}

/// A check of the open sagas of a journal.
pub(super) struct Checking<'a, S: ?Sized + Send + Sync + 'static> {
    pub(super) definitions: &'a Definitions<S>,
    pub(super) services: &'a S,
    pub(super) journal: &'a Arc<dyn Journal>,
    pub(super) policies: Arc<Policies>,
}

impl<S: ?Sized + Send + Sync + 'static> Checking<'_, S> {
    /// Checks all but the sagas that are `passed` over.
    pub(super) async fn run(
        &self,
        passes: impl Fn(&SagaId) -> bool,
        mut on_misfit: impl FnMut(&Misfit),
    ) -> Result<CheckReport, JournalError> {
        let stage = self.stage();
        let mut report = CheckReport::default();
        let mut unregistered = BTreeMap::<_, u64>::new();
        // In this order: a saga that is claimed meanwhile was seen.
        for state in [State::Waiting, State::Running, State::Compensating] {
            let mut filter = Filter::default().state(state).limit(BATCH);
            loop {
                let page = self.journal.list(&filter).await?;
                let mut registered = Vec::with_capacity(page.sagas.len());
                for record in page.sagas {
                    let saga = &record.saga;
                    if self.definitions.get(&saga.name, saga.version).is_none() {
                        let key = (record.saga.name, record.saga.version);
                        *unregistered.entry(key).or_default() += 1;
                    } else if !passes(&saga.id) {
                        registered.push(record);
                    }
                }
                let checked = registered.into_iter();
                let checked: Vec<_> = checked.map(|record| self.check(record, &stage)).collect();
                let mut checked = stream::iter(checked).buffer_unordered(AT_ONCE);
                while let Some(misfit) = checked.next().await {
                    report.checked += 1;
                    if let Some(misfit) = misfit? {
                        on_misfit(&misfit);
                        report.add(misfit);
                    }
                }
                match page.next {
                    Some(next) => filter.after = Some(next),
                    None => break,
                }
            }
        }
        let unregistered = unregistered.into_iter();
        report.unregistered = unregistered
            .map(|((name, version), count)| Unregistered {
                name,
                version,
                count,
            })
            .collect();
        Ok(report)
    }

    /// Replays one saga, unless it has ended meanwhile.
    async fn check(&self, record: Record, stage: &Stage) -> Result<Option<Misfit>, JournalError> {
        let history = self.journal.load(&record.saga.id).await?;
        match history {
            Some(history) => Ok(self.replay(history, stage).await),
            None => Ok(None),
        }
    }

    /// Replays one saga, if it is open and registered.
    async fn replay(&self, history: History, stage: &Stage) -> Option<Misfit> {
        let Record { saga, state, .. } = &history.record;
        if state.is_final() || *state == State::Stuck {
            return None;
        }
        let definition = self.definitions.get(&saga.name, saga.version)?;
        let (id, name, version) = (saga.id.clone(), saga.name.clone(), saga.version);
        let unfit = definition.rehearse(self.services, history, stage).await;
        unfit.map(|unfit| Misfit::new(id, name, version, unfit))
    }

    fn stage(&self) -> Stage {
        Stage::new(Arc::clone(self.journal), Arc::clone(&self.policies))
    }
}

impl<S: ?Sized + Send + Sync + 'static> Shared<S> {
    /// Checks the open sagas that do not run here, and keeps the misfits.
    pub(super) async fn check(&self) -> Result<CheckReport, JournalError> {
        let checking = self.checking();
        lock(&self.misfits).clear();
        let runs_here = |id: &SagaId| self.running().contains_key(id);
        let checked = checking.run(runs_here, |misfit| {
            misfit.tell();
            let mut misfits = lock(&self.misfits);
            if misfits.len() < MOST_MISFITS {
                misfits.insert(misfit.id.clone(), misfit.clone());
            }
        });
        let report = checked.await?;
        report.tell();
        Ok(report)
    }

    fn checking(&self) -> Checking<'_, S> {
        Checking {
            definitions: &self.definitions,
            services: &*self.services,
            journal: &self.journal,
            policies: Arc::clone(&self.policies),
        }
    }

    /// Replays a saga that no process runs, before something is asked of its body. `None` if it fits, or goes on by itself.
    pub(super) async fn misfit_at_rest(&self, history: History) -> Option<Misfit> {
        let Record { saga, worker, .. } = &history.record;
        let id = saga.id.clone();
        let is_elsewhere = worker.as_ref().is_some_and(|one| *one != self.lease.worker);
        if is_elsewhere || self.running().contains_key(&id) {
            return None;
        }
        let checking = self.checking();
        let found = checking.replay(history, &checking.stage()).await;
        let mut misfits = lock(&self.misfits);
        match &found {
            Some(misfit) if misfits.len() < MOST_MISFITS => misfits.insert(id, misfit.clone()),
            Some(_) => None,
            None => misfits.remove(&id),
        };
        found
    }

    /// Checks the open sagas once, while they already go on.
    pub(super) async fn check_in_background(self: Arc<Self>) {
        let shutdown = self.tenure.shutdown.clone();
        let checked = shutdown.run_until_cancelled(self.check()).await;
        if let Some(Err(error)) = checked {
            telemetry::journal_trouble(&error);
        }
    }
}
