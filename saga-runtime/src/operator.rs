//! What operators see and do, without the types of the service: lists, counts, the history of one saga, commands on one
//! saga or on many.
//!
//! ```
//! use saga_runtime::journal::Memory;
//! use saga_runtime::operator::{BulkPlan, Operator, SagaCommand};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() { run().await.unwrap() }
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! // Or `Sqlite::open("shop.db").await?`, or a `Postgres`. `Operator::of(&coordinator)` is the one of a running service.
//! let operator = Operator::on(Memory::new()).await?;
//!
//! let stuck = "state=stuck name=place_order code=compensation_failed age=1h".parse()?;
//! for saga in operator.list(&stuck).await?.sagas {
//!     println!("{} {}", saga.id, saga.trouble.map(|trouble| trouble.message).unwrap_or_default());
//! }
//!
//! let plan = BulkPlan::new(stuck, SagaCommand::Retry, "the bank is open again").dry_run(true);
//! let report = operator.bulk(&plan, |_| true).await?;
//! println!("{} sagas would be retried", report.accepted);
//! # Ok(()) }
//! ```
//!
//! All of these values are serializable: [`Operations`] is the seam at which a service answers over HTTP, and the command
//! line asks.

mod bulk;
mod calls;
mod check;
mod command;
mod counts;
mod details;
mod export;
mod local;
mod outline;
mod pause;
mod query;
mod read_only;
mod summary;
mod utc;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;

use crate::coordinator::{Coordinator, StartError};
use crate::id::SagaId;
use crate::journal::Journal;

pub use bulk::{BulkPlan, BulkReport};
pub use calls::{CallStatus, CallView};
pub use check::{CheckView, MisfitView, OpenDefinition};
pub use command::{Accepted, Possible, Refusal, SagaCommand};
pub use counts::{OpenCount, SagaCounts, StuckCount, WorkerView};
pub use details::{EntryView, KeptEvent, SagaDetails, SetAsideView, WaitView};
pub use outline::{Outline, OutlineNode};
pub use pause::PauseView;
pub use query::{QueryError, SagaQuery, Standing};
pub use summary::{SagaList, SagaSummary, Trouble};
pub use utc::Utc;

use local::{Direct, InService};
use read_only::ReadOnly;

/// Everything that an operator can ask of a journal or of a service. [`Operator`] is the handle of one.
#[async_trait]
pub trait Operations: Send + Sync + 'static {
    /// Says in a sentence where commands go.
    fn access(&self) -> String;

    /// Lists the sagas that a query admits, the newest first.
    async fn list(&self, query: &SagaQuery) -> Result<SagaList, Refusal>;

    /// Counts the sagas that a query admits, in all of its pages.
    async fn count(&self, query: &SagaQuery) -> Result<u64, Refusal>;

    /// Reads everything about one saga; its payloads only if they are asked for. `None` if there is no such saga.
    async fn show(&self, id: &SagaId, payloads: bool) -> Result<Option<SagaDetails>, Refusal>;

    /// Counts the sagas, without reading their histories.
    async fn counts(&self) -> Result<SagaCounts, Refusal>;

    /// Lists the workers that hold sagas, and those whose lease is valid.
    async fn workers(&self) -> Result<Vec<WorkerView>, Refusal>;

    /// Lists the definitions that are registered, if this has the code of the service.
    async fn definitions(&self) -> Result<Vec<Outline>, Refusal>;

    /// Checks if the open sagas fit the registered definitions, as far as the code of the sagas is there.
    async fn check(&self) -> Result<CheckView, Refusal>;

    /// Lists the paused definitions.
    async fn paused(&self) -> Result<Vec<PauseView>, Refusal>;

    /// Pauses a definition.
    async fn pause(&self, name: &str, reason: &str) -> Result<Accepted, Refusal>;

    /// Resumes a paused definition.
    async fn resume(&self, name: &str) -> Result<Accepted, Refusal>;

    /// Carries out a command on one saga. Its history gets the reason.
    async fn command(
        &self,
        id: &SagaId,
        command: &SagaCommand,
        reason: &str,
    ) -> Result<Accepted, Refusal>;

    /// Removes the sagas that ended before this time, and returns their number.
    async fn purge(&self, before: SystemTime) -> Result<u64, Refusal>;
}

/// The operator of a journal, or of a running service. Clones are handles of the same one.
#[derive(Clone)]
pub struct Operator {
    operations: Arc<dyn Operations>,
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator")
            .field("access", &self.operations.access())
            .finish()
    }
}

impl Operator {
    /// The operator of a journal, without the code of any service. Commands are recorded in the journal, and the service
    /// continues the saga. A command that needs the code of the service is refused, and says so.
    ///
    /// # Errors
    /// If the journal can't be written.
    ///
    /// # Panics
    /// If called outside of a tokio runtime.
    pub async fn on(journal: impl Journal) -> Result<Self, StartError> {
        Ok(Self::over(Direct::start(journal).await?))
    }

    /// The operator of a running service, which has the code of its sagas. It keeps the coordinator alive until
    /// [`shutdown`](Coordinator::shutdown).
    #[must_use]
    pub fn of<S: ?Sized + Send + Sync + 'static>(coordinator: &Coordinator<S>) -> Self {
        Self::over(InService::new(coordinator.clone()))
    }

    /// The operator of a journal that can only be read, such as the file of a running service. It refuses each command with
    /// this sentence, which says where commands go.
    #[must_use]
    pub fn read_only(journal: impl Journal, why: impl Into<String>) -> Self {
        Self::over(ReadOnly::new(Arc::new(journal), why.into()))
    }

    /// The operator over other operations: those of a service in another process, for example.
    #[must_use]
    pub fn over(operations: impl Operations) -> Self {
        Self {
            operations: Arc::new(operations),
        }
    }

    /// Says in a sentence where commands go.
    #[must_use]
    pub fn access(&self) -> String {
        self.operations.access()
    }

    /// Lists the sagas that a query admits, the newest first. The pages stay stable while sagas move: each begins behind
    /// the last saga of the one before, in the order of their starts.
    ///
    /// # Errors
    /// If the journal can't be read.
    pub async fn list(&self, query: &SagaQuery) -> Result<SagaList, Refusal> {
        self.operations.list(query).await
    }

    /// Counts the sagas that a query admits, in all of its pages. The journal answers from its indexes; of sagas in trouble, the last
    /// reason is read, and of stuck ones the history if the query names a step.
    ///
    /// # Errors
    /// If the journal can't be read.
    pub async fn count(&self, query: &SagaQuery) -> Result<u64, Refusal> {
        self.operations.count(query).await
    }

    /// Reads everything that is recorded about one saga, without its payloads.
    ///
    /// # Errors
    /// `unknown` if no saga has this id. If the journal can't be read.
    pub async fn show(&self, id: impl TryInto<SagaId>) -> Result<SagaDetails, Refusal> {
        let id = id.try_into().map_err(|_| Refusal::unknown())?;
        let found = self.operations.show(&id, false).await?;
        found.ok_or_else(Refusal::unknown)
    }

    /// Reads everything that is recorded about one saga, with its payloads: its input, and the outputs and errors of its
    /// steps as JSON.
    ///
    /// # Errors
    /// Like [`show`](Self::show).
    pub async fn show_payloads(&self, id: impl TryInto<SagaId>) -> Result<SagaDetails, Refusal> {
        let id = id.try_into().map_err(|_| Refusal::unknown())?;
        let found = self.operations.show(&id, true).await?;
        found.ok_or_else(Refusal::unknown)
    }

    /// Counts the sagas: the open ones by name, version and state, and the others by state.
    ///
    /// # Errors
    /// If the journal can't be read.
    pub async fn counts(&self) -> Result<SagaCounts, Refusal> {
        self.operations.counts().await
    }

    /// Lists the workers that hold sagas, and those whose lease is valid.
    ///
    /// # Errors
    /// If the journal can't be read.
    pub async fn workers(&self) -> Result<Vec<WorkerView>, Refusal> {
        self.operations.workers().await
    }

    /// Checks if the open sagas fit the registered definitions: the service replays each of them without effects. Without the
    /// code of the service, the answer only says which definitions the sagas need. The check of code that is not deployed yet is
    /// [`Builder::check`](crate::coordinator::Builder::check), in the new service, on a copy of the journal.
    ///
    /// # Errors
    /// If the journal can't be read.
    pub async fn check(&self) -> Result<CheckView, Refusal> {
        self.operations.check().await
    }

    /// Lists the paused definitions, by name.
    ///
    /// # Errors
    /// If the journal can't be read.
    pub async fn paused(&self) -> Result<Vec<PauseView>, Refusal> {
        self.operations.paused().await
    }

    /// Pauses the definition with this durable name, in every process on the journal, until it is resumed: see
    /// [`Coordinator::pause`]. The journal keeps the reason.
    ///
    /// # Errors
    /// `no_definition` if no definition with this name is registered and no saga is of it. If the journal can't be written.
    pub async fn pause(&self, name: &str, reason: &str) -> Result<Accepted, Refusal> {
        has_reason(reason)?;
        self.operations.pause(name, reason).await
    }

    /// Resumes a paused definition.
    ///
    /// # Errors
    /// `not_paused` if it is not paused. If the journal can't be written.
    pub async fn resume(&self, name: &str) -> Result<Accepted, Refusal> {
        self.operations.resume(name).await
    }

    /// Lists the registered definitions. Empty without the code of the service.
    ///
    /// # Errors
    /// If the service can't be reached.
    pub async fn definitions(&self) -> Result<Vec<Outline>, Refusal> {
        self.operations.definitions().await
    }

    /// Carries out a command on one saga. Its history gets the reason.
    ///
    /// # Errors
    /// [`Refusal`] says why nothing has happened, and what helps.
    ///
    /// # Cancel safety
    /// A dropped call may have had its effect.
    pub async fn command(
        &self,
        id: impl TryInto<SagaId>,
        command: &SagaCommand,
        reason: &str,
    ) -> Result<Accepted, Refusal> {
        let id = id.try_into().map_err(|_| Refusal::unknown())?;
        has_reason(reason)?;
        self.operations.command(&id, command, reason).await
    }

    /// Removes the sagas that ended before this time, and returns their number.
    ///
    /// # Errors
    /// If the journal can't be written.
    pub async fn purge(&self, before: SystemTime) -> Result<u64, Refusal> {
        self.operations.purge(before).await
    }
}

fn has_reason(reason: &str) -> Result<(), Refusal> {
    if reason.trim().is_empty() {
        let message = "a command needs a reason: the journal keeps it";
        return Err(Refusal::new("no_reason", message));
    }
    Ok(())
}
