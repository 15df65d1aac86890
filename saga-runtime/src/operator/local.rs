//! The operator in the process of the service, and the one that has only the journal.

use std::collections::BTreeSet;
use std::slice;
use std::time::SystemTime;

use async_trait::async_trait;

use crate::coordinator::{Coordinator, Effect, OperatorError, StartError};
use crate::id::SagaId;
use crate::journal::pause::find_pauses;
use crate::journal::{Filter, Journal, State, StepCall};
use crate::operator::pause::{no_definition, not_paused};
use crate::operator::read_only::{count, list, needs_no_service, paused, workers};
use crate::operator::{
    Accepted, CheckView, Operations, Outline, PauseView, Refusal, SagaCommand, SagaCounts,
    SagaDetails, SagaList, SagaQuery, WorkerView,
};
use crate::shape::Shape;

const PAUSED: &str = "no saga of it begins an attempt; attempts under way end, and new sagas wait";

const RESUMED: &str = "its sagas go on";

/// A coordinator, with the code of its sagas.
pub(super) struct InService<S: ?Sized + Send + Sync + 'static> {
    coordinator: Coordinator<S>,
}

impl<S: ?Sized + Send + Sync + 'static> InService<S> {
    pub(super) fn new(coordinator: Coordinator<S>) -> Self {
        Self { coordinator }
    }

    async fn carry_out(
        &self,
        id: &SagaId,
        command: &SagaCommand,
        reason: &str,
    ) -> Result<Effect, OperatorError> {
        let (coordinator, id) = (&self.coordinator, id.clone());
        match command {
            SagaCommand::Retry => coordinator.retry(id, reason).await,
            SagaCommand::Resolve { step } => {
                coordinator.resolve_compensation(id, step, reason).await
            }
            SagaCommand::Skip { step } => coordinator.skip_compensation(id, step, reason).await,
            SagaCommand::Complete { step, output } => {
                coordinator.complete_step(id, step, output, reason).await
            }
            SagaCommand::Compensate => coordinator.compensate(id, reason).await,
            SagaCommand::Abandon => coordinator.abandon(id, reason).await,
            SagaCommand::Cancel => coordinator.cancel(id, reason).await,
            SagaCommand::DropEvent { event } => coordinator.drop_event(id, event, reason).await,
            SagaCommand::SendEvent { event, value } => {
                coordinator.send_json(id, event, value).await?;
                Ok(Effect::Done)
            }
        }
    }
}

#[async_trait]
impl<S: ?Sized + Send + Sync + 'static> Operations for InService<S> {
    fn access(&self) -> String {
        "commands are carried out by the service".to_owned()
    }

    async fn list(&self, query: &SagaQuery) -> Result<SagaList, Refusal> {
        let journal = self.coordinator.as_journal();
        list(journal, query, &|record| self.coordinator.describe(record)).await
    }

    async fn count(&self, query: &SagaQuery) -> Result<u64, Refusal> {
        let journal = self.coordinator.as_journal();
        count(journal, query, &|record| self.coordinator.describe(record)).await
    }

    async fn show(&self, id: &SagaId, payloads: bool) -> Result<Option<SagaDetails>, Refusal> {
        let journal = self.coordinator.as_journal();
        let Some(mut found) = journal.load(id).await? else {
            return Ok(None);
        };
        find_pauses(journal, slice::from_mut(&mut found.record)).await?;
        if !self.coordinator.shapes().is_empty() {
            self.coordinator.describe(&mut found.record);
        }
        let saga = found.record.saga.clone();
        let shapes = self.coordinator.shapes();
        let is_it =
            |shape: &&Shape| shape.saga.name == saga.name && shape.saga.version == saga.version;
        let outline = shapes.iter().find(is_it).map(Outline::from);
        let has_code =
            |call: &StepCall| shapes.is_empty() || self.coordinator.has_code(&saga, call);
        Ok(Some(SagaDetails::new(found, payloads, outline, has_code)))
    }

    async fn counts(&self) -> Result<SagaCounts, Refusal> {
        Ok(self.coordinator.as_journal().tally().await?.into())
    }

    async fn workers(&self) -> Result<Vec<WorkerView>, Refusal> {
        workers(self.coordinator.as_journal()).await
    }

    async fn definitions(&self) -> Result<Vec<Outline>, Refusal> {
        Ok(self
            .coordinator
            .shapes()
            .iter()
            .map(Outline::from)
            .collect())
    }

    async fn check(&self) -> Result<CheckView, Refusal> {
        let report = self.coordinator.check().await?;
        let counts = self.counts().await?;
        let shapes = self.coordinator.shapes();
        Ok(CheckView::replayed(report, &counts, |name, version| {
            let mut shapes = shapes.iter();
            shapes.any(|shape| shape.saga.name == name && shape.saga.version == version)
        }))
    }

    async fn paused(&self) -> Result<Vec<PauseView>, Refusal> {
        paused(self.coordinator.as_journal()).await
    }

    async fn pause(&self, name: &str, reason: &str) -> Result<Accepted, Refusal> {
        let shapes = self.coordinator.shapes();
        let counts = self.counts().await?;
        let registered = shapes.iter().map(|shape| shape.saga.name);
        let open = counts.open.iter().map(|open| &*open.name);
        let known: BTreeSet<&str> = registered.chain(open).collect();
        // Its sagas may all have ended.
        let any = Filter::default().name(name).limit(1);
        if !known.contains(name)
            && self
                .coordinator
                .as_journal()
                .list(&any)
                .await?
                .sagas
                .is_empty()
        {
            return Err(no_definition(name, &known.into_iter().collect::<Vec<_>>()));
        }
        self.coordinator.pause(name, reason).await?;
        Ok(Accepted::new(Effect::Done, PAUSED))
    }

    async fn resume(&self, name: &str) -> Result<Accepted, Refusal> {
        if self.coordinator.resume(name).await? {
            Ok(Accepted::new(Effect::Done, RESUMED))
        } else {
            Err(not_paused(name))
        }
    }

    async fn command(
        &self,
        id: &SagaId,
        command: &SagaCommand,
        reason: &str,
    ) -> Result<Accepted, Refusal> {
        let effect = self.carry_out(id, command, reason).await?;
        Ok(Accepted::new(effect, "the service has recorded it"))
    }

    async fn purge(&self, before: SystemTime) -> Result<u64, Refusal> {
        Ok(self.coordinator.purge(before).await?)
    }
}

/// A journal that takes commands, without the code of any saga: a coordinator that runs none.
pub(super) struct Direct {
    journal: InService<()>,
}

impl Direct {
    pub(super) async fn start(journal: impl Journal) -> Result<Self, StartError> {
        let builder = Coordinator::builder(()).journal(journal);
        let coordinator = builder.worker("operator").start().await?;
        Ok(Self {
            journal: InService::new(coordinator),
        })
    }

    /// Checks that nothing is to be undone: only the service has the code that undoes a step.
    async fn has_nothing_to_undo(&self, id: &SagaId) -> Result<(), Refusal> {
        let details = self.journal.show(id, false).await?;
        let details = details.ok_or_else(Refusal::unknown)?;
        let state = details.saga.state().unwrap_or(State::Stuck);
        if state.is_final() {
            return Err(OperatorError::Final(state).into());
        }
        if state != State::Stuck {
            return Err(Refusal::new(
                "needs_service",
                format!(
                    "the saga is {state}, and only its service knows if it goes on by itself: send `compensate` to the service, \
                     with its http:// address in place of the journal; `cancel` and `abandon` work here"
                ),
            ));
        }
        if details.to_compensate.is_empty() {
            return Ok(());
        }
        Err(Refusal::new(
            "needs_service",
            format!(
                "only the service has the code that undoes these steps: {}. Send `compensate` to the service, with its http:// \
                 address in place of the journal; `retry`, `resolve`, `skip`, `complete`, `cancel` and `abandon` work here",
                details.to_compensate.join(", ")
            ),
        ))
    }
}

#[async_trait]
impl Operations for Direct {
    fn access(&self) -> String {
        "commands are recorded in the journal, without the code of the service".to_owned()
    }

    async fn list(&self, query: &SagaQuery) -> Result<SagaList, Refusal> {
        needs_no_service(query)?;
        list(self.journal.coordinator.as_journal(), query, &|_| {}).await
    }

    async fn count(&self, query: &SagaQuery) -> Result<u64, Refusal> {
        needs_no_service(query)?;
        count(self.journal.coordinator.as_journal(), query, &|_| {}).await
    }

    async fn show(&self, id: &SagaId, payloads: bool) -> Result<Option<SagaDetails>, Refusal> {
        let mut shown = self.journal.show(id, payloads).await?;
        if let Some(details) = &mut shown
            && !details.to_compensate.is_empty()
        {
            // Only the service has the code.
            details.possible.retain(|one| one.command != "compensate");
        }
        Ok(shown)
    }

    async fn counts(&self) -> Result<SagaCounts, Refusal> {
        self.journal.counts().await
    }

    async fn workers(&self) -> Result<Vec<WorkerView>, Refusal> {
        self.journal.workers().await
    }

    async fn definitions(&self) -> Result<Vec<Outline>, Refusal> {
        Ok(Vec::new())
    }

    async fn check(&self) -> Result<CheckView, Refusal> {
        Ok(CheckView::of_counts(&self.counts().await?))
    }

    async fn paused(&self) -> Result<Vec<PauseView>, Refusal> {
        self.journal.paused().await
    }

    async fn pause(&self, name: &str, reason: &str) -> Result<Accepted, Refusal> {
        self.journal.pause(name, reason).await
    }

    async fn resume(&self, name: &str) -> Result<Accepted, Refusal> {
        self.journal.resume(name).await
    }

    async fn command(
        &self,
        id: &SagaId,
        command: &SagaCommand,
        reason: &str,
    ) -> Result<Accepted, Refusal> {
        if let SagaCommand::Compensate = command {
            self.has_nothing_to_undo(id).await?;
        }
        let effect = match command {
            SagaCommand::Complete { step, output } => {
                let coordinator = &self.journal.coordinator;
                let id = id.clone();
                coordinator
                    .complete_step_unchecked(id, step, output, reason)
                    .await?
            }
            command => self.journal.carry_out(id, command, reason).await?,
        };
        let how = match command {
            SagaCommand::Abandon => "it is recorded in the journal",
            SagaCommand::Complete { .. } => {
                "it is recorded in the journal, and goes on when its service runs; without the service, nothing has checked that the \
                 output fits the step"
            }
            SagaCommand::SendEvent { .. } => {
                "it is recorded in the journal, and goes on when its service runs; without the service, nothing has checked that the \
                 value fits the event"
            }
            _ => "it is recorded in the journal; the saga goes on when its service runs",
        };
        Ok(Accepted::new(effect, how))
    }

    async fn purge(&self, before: SystemTime) -> Result<u64, Refusal> {
        self.journal.purge(before).await
    }
}
