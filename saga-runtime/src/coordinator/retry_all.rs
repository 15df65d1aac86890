//! The retry of many stuck sagas, for an operator who has repaired their common cause.

use std::time::SystemTime;

use crate::coordinator::Coordinator;
use crate::coordinator::error::OperatorError;
use crate::id::SagaId;
use crate::journal::history::ReplayState;
use crate::journal::{Entry, Event, Filter, History, JournalError, State};

/// The stuck sagas that an operator means. By default all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct StuckFilter {
    /// The durable name of their definition.
    pub name: Option<String>,
    /// The code of the reason: `compensation_failed`, for example.
    pub code: Option<String>,
    /// The durable name of a step that is in doubt, or whose attempts or compensation have failed, in any call of it.
    pub step: Option<String>,
    /// They are stuck since this time, or a later one.
    pub since: Option<SystemTime>,
}

impl StuckFilter {
    /// Only sagas of this definition.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Only sagas that are stuck for a reason with this code.
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Only sagas in which this step is in doubt, or its attempts or its compensation have failed.
    pub fn step(mut self, step: impl Into<String>) -> Self {
        self.step = Some(step.into());
        self
    }

    /// Only sagas that are stuck since this time, or a later one.
    pub fn since(mut self, time: SystemTime) -> Self {
        self.since = Some(time);
        self
    }

    /// Returns whether the filter admits a stuck saga with this history.
    fn admits(&self, history: &History) -> bool {
        let Ok(entries) = &history.entries else {
            // A damaged saga can't be retried.
            return false;
        };
        let is_stuck = |entry: &&Entry| matches!(entry.event, Event::Stuck { .. });
        let Some(stuck) = entries.iter().rev().find(is_stuck) else {
            return false;
        };
        let Event::Stuck { reason } = &stuck.event else {
            return false;
        };
        self.code.as_ref().is_none_or(|code| *code == reason.code)
            && self.since.is_none_or(|since| stuck.at >= since)
            && self.step.as_ref().is_none_or(|step| {
                ReplayState::new(entries)
                    .is_ok_and(|history| history.troubled().any(|call| call.name == step.as_str()))
            })
    }
}

/// The progress of a [`Coordinator::retry_all`].
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct RetriedAll {
    /// The number of stuck sagas that were looked at.
    pub examined: u64,
    /// The number of sagas that go on.
    pub retried: u64,
    /// The sagas that could not be retried, and why.
    pub failed: Vec<(SagaId, OperatorError)>,
}

impl<S: ?Sized + Send + Sync + 'static> Coordinator<S> {
    /// Resumes all stuck sagas that the filter admits, the newest first, like [`retry`](Self::retry). The history of each has
    /// the reason. `progress` is called after each saga that was looked at.
    ///
    /// A saga that another operator decides about meanwhile, or that this call has resumed and that is stuck again, is left
    /// as it is.
    ///
    /// # Errors
    /// If the journal can't be read. Some sagas may be resumed by then; it is safe to repeat the call.
    ///
    /// # Cancel safety
    /// A dropped call may have resumed some of the sagas. It is safe to repeat the call.
    pub async fn retry_all(
        &self,
        stuck: &StuckFilter,
        reason: &str,
        mut progress: impl FnMut(&RetriedAll) + Send,
    ) -> Result<RetriedAll, JournalError> {
        let mut retried = RetriedAll::default();
        let mut filter = Filter::default().state(State::Stuck);
        filter.name.clone_from(&stuck.name);
        loop {
            let page = self.list(&filter).await?;
            for record in page.sagas {
                let id = record.saga.id;
                self.retry_one(&id, stuck, reason, &mut retried).await?;
                retried.examined += 1;
                progress(&retried);
            }
            match page.next {
                Some(next) => filter.after = Some(next),
                None => return Ok(retried),
            }
        }
    }

    async fn retry_one(
        &self,
        id: &SagaId,
        stuck: &StuckFilter,
        reason: &str,
        retried: &mut RetriedAll,
    ) -> Result<(), JournalError> {
        let history = self.inner.journal.load(id).await?;
        if !history.is_some_and(|history| stuck.admits(&history)) {
            return Ok(());
        }
        match self.retry(id.clone(), reason).await {
            Ok(_) => retried.retried += 1,
            // Another operator was faster.
            Err(
                OperatorError::NotStuck(_)
                | OperatorError::Final(_)
                | OperatorError::Held(_)
                | OperatorError::TakenOver
                | OperatorError::Unknown,
            ) => {}
            Err(error) => retried.failed.push((id.clone(), error)),
        }
        Ok(())
    }
}
