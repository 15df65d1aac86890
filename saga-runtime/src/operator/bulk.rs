//! One command on many sagas: first as a dry run, then with progress, and with a stop in the middle.

use serde::{Deserialize, Serialize};

use crate::id::SagaId;
use crate::operator::{Operator, Refusal, SagaCommand, SagaQuery};

/// A command on all sagas that a query admits.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[must_use]
pub struct BulkPlan {
    /// The sagas.
    pub query: SagaQuery,
    /// The command on each of them.
    pub command: SagaCommand,
    /// The reason. The history of each saga gets it; of an event it gets the value only.
    pub reason: String,
    /// If nothing is done, and the report says what would be.
    pub dry_run: bool,
    /// At most so many sagas get the command.
    pub at_most: Option<u64>,
}

impl BulkPlan {
    /// A command on all sagas that a query admits.
    pub fn new(query: SagaQuery, command: SagaCommand, reason: impl Into<String>) -> Self {
        Self {
            query,
            command,
            reason: reason.into(),
            dry_run: false,
            at_most: None,
        }
    }

    /// Sets if nothing is done, and the report says what would be.
    pub fn dry_run(self, dry_run: bool) -> Self {
        Self { dry_run, ..self }
    }

    /// Sets a limit: at most so many sagas get the command.
    pub fn at_most(self, sagas: u64) -> Self {
        let at_most = Some(sagas);
        Self { at_most, ..self }
    }
}

/// The progress and the result of a [`BulkPlan`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BulkReport {
    /// The number of sagas that the query admits, as far as the call has come.
    pub examined: u64,
    /// The number of sagas that have accepted the command, or in a dry run would accept it.
    pub accepted: u64,
    /// The ids of the first 1,000 of them.
    pub ids: Vec<String>,
    /// The first 1,000 sagas that have refused the command: the id, and why.
    pub refused: Vec<(String, Refusal)>,
    /// The number of sagas that have refused the command.
    pub refused_count: u64,
    /// If the call was stopped before it came to all sagas.
    pub is_stopped: bool,
}

const MOST_LISTED: usize = 1000;

/// The codes of refusals that are not about one saga: the next one would be refused as well.
const NO_SAGA_GETS_IT: [&str; 7] = [
    "journal",
    "read_only",
    "no_reason",
    "shutting_down",
    // Of a service in another process.
    "unreachable",
    "no_token",
    "too_many",
];

impl BulkReport {
    fn add(&mut self, id: String, answer: Result<(), Refusal>) {
        self.examined += 1;
        match answer {
            Ok(()) => {
                self.accepted += 1;
                if self.ids.len() < MOST_LISTED {
                    self.ids.push(id);
                }
            }
            Err(refusal) => {
                self.refused_count += 1;
                if self.refused.len() < MOST_LISTED {
                    self.refused.push((id, refusal));
                }
            }
        }
    }
}

impl Operator {
    /// Carries out a command on all sagas that a query admits, the newest first. `progress` is called after each saga, and
    /// stops the call when it returns `false`. An event goes to the sagas that wait for it. No saga gets the command twice: one that is stuck again stands behind the
    /// place to which the call has come.
    ///
    /// # Errors
    /// If the journal can't be read, or if no saga can get the command: the service can't be reached, or asks for a token. Some
    /// sagas may have got the command by then.
    ///
    /// # Cancel safety
    /// A dropped call may have reached some of the sagas. It is safe to repeat the call, but for an event: a saga that still waits for another
    /// one of this name gets it again.
    pub async fn bulk(
        &self,
        plan: &BulkPlan,
        mut progress: impl FnMut(&BulkReport) -> bool + Send,
    ) -> Result<BulkReport, Refusal> {
        let mut report = BulkReport::default();
        let mut query = plan.query.clone();
        loop {
            let page = self.list(&query).await?;
            for saga in page.sagas {
                if plan.at_most.is_some_and(|most| report.accepted >= most) {
                    report.is_stopped = true;
                    return Ok(report);
                }
                let answer = self.one_of_many(&saga.id, plan).await?;
                report.add(saga.id, answer);
                if !progress(&report) {
                    report.is_stopped = true;
                    return Ok(report);
                }
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(report),
            }
        }
    }

    /// Carries out the command on one saga, or finds out if it would be accepted.
    async fn one_of_many(&self, id: &str, plan: &BulkPlan) -> Result<Result<(), Refusal>, Refusal> {
        let Ok(id) = SagaId::new(id) else {
            return Ok(Err(Refusal::unknown()));
        };
        // A saga keeps an event that it does not wait for: of many sagas only those get it that wait.
        let is_event = matches!(plan.command, SagaCommand::SendEvent { .. });
        if (plan.dry_run || is_event)
            && let Err(refusal) = self.is_possible(&id, &plan.command).await?
        {
            return Ok(Err(refusal));
        }
        if plan.dry_run {
            return Ok(Ok(()));
        }
        let answer = self.command(id, &plan.command, &plan.reason).await;
        match answer {
            Err(refusal) if NO_SAGA_GETS_IT.contains(&&*refusal.code) => Err(refusal),
            answer => Ok(answer.map(drop)),
        }
    }

    /// Finds out if a saga would accept the command.
    async fn is_possible(
        &self,
        id: &SagaId,
        command: &SagaCommand,
    ) -> Result<Result<(), Refusal>, Refusal> {
        let saga = match self.show(id.clone()).await {
            Ok(saga) => saga,
            // It was removed meanwhile.
            Err(refusal) if refusal.code == "unknown" => return Ok(Err(refusal)),
            Err(refusal) => return Err(refusal),
        };
        let is_possible = saga.possible.iter().any(|possible| possible.is(command));
        Ok(if is_possible {
            Ok(())
        } else {
            let message = format!(
                "`{}` is not possible: the saga is {}",
                command, saga.saga.state
            );
            Err(Refusal::new("not_possible", message))
        })
    }
}
