//! The durable runtime: runs each saga in a task of its own, on a journal that survives the process.
//!
//! [`Coordinator::builder`] begins the settings, [`Builder::start`] starts it. [`Coordinator::execute`] runs a saga and
//! waits for its end; [`Coordinator::submit`] returns a [`Handle`] as soon as the saga is recorded. Operators list and
//! [inspect](Coordinator::inspect) sagas, and decide about [`Stuck`] ones. An [`Inspector`] reads a journal without a
//! coordinator.

mod answer;
mod builder;
mod cancel;
mod check;
mod decide;
mod detach;
mod dispatcher;
mod error;
mod handle;
mod inspection;
mod leases;
#[cfg(feature = "testing")]
mod lifetime;
#[cfg(feature = "metrics")]
mod metered;
mod operator;
mod pause;
mod registry;
mod retry_all;
mod rhythm;
mod send;
mod subject;
mod submit;
mod suspects;
mod takeover;
mod task;
mod tasks;
#[cfg(feature = "postgres")]
mod transaction;
mod undo;
mod waiters;
mod wakeup;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde::Serialize;
use tokio::runtime;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::engines::control::LocalControl;
use crate::engines::journaled::Policies;
use crate::engines::journaled::recorder::{OnDecision, Recorder, Tenure};
use crate::id::{InvalidSagaId, SagaId};
use crate::journal::{Claim, Journal, JournalError, Lease, Record, State};
use crate::lock::lock;
use crate::run::Saga;
use crate::trace::{SagaTrace, TraceContext, TracePropagator};

pub use answer::Answer;
pub use builder::{Builder, NoJournal};
#[cfg(feature = "testing")]
pub(crate) use check::Unfit;
pub use check::{CheckReport, Misfit, OnMisfit, Unregistered};
pub use error::{Abandoned, ExecuteError, OperatorError, Rejected, StartError, Stuck, SubmitError};
pub use handle::Handle;
pub(crate) use inspection::Line;
pub use inspection::{Inspection, Inspector, OpenWait, SetAside, Skipped};
pub use operator::Effect;
pub use registry::Registrable;
pub use retry_all::{RetriedAll, StuckFilter};

use answer::recorded_answer;
use registry::Definitions;
use rhythm::Rhythm;
use suspects::Suspects;
use takeover::OperatorCall;
use tasks::Tasks;
use waiters::Waiters;
use wakeup::Alarm;

/// The most sagas in one claim, and in one page of a list.
const BATCH: usize = 1024;

/// Runs sagas on a [`Journal`], so that they survive the process.
///
/// A saga that a crash interrupted continues where it was, in the next process that [registers](Builder::register) it.
///
/// ```
/// use saga_runtime::journal::Memory;
/// use saga_runtime::{Context, Coordinator, saga, step};
/// # #[derive(Default)] struct Shop;
/// # #[step(compensate = cancel_order)] async fn create_order(_: Context<'_, Shop>, item: &str) -> Result<u64, String> { Ok(item.len() as u64) }
/// # async fn cancel_order(_: Context<'_, Shop>, _: &u64) -> Result<(), String> { Ok(()) }
///
/// saga!(
///     async fn place_order(cx: Context<'_, Shop>, item: String) -> Result<u64, String> {
///         let order = create_order(cx, &item).await?;
///         Ok(order)
///     }
/// );
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() { run().await.unwrap() }
/// # async fn run() -> Result<(), saga_runtime::ExecuteError<String>> {
/// let coordinator = Coordinator::builder(Shop::default())
///     .journal(Memory::new()) // or `Sqlite::open("shop.db").await?`, which survives the process
///     .register::<PlaceOrder>()
///     .start()
///     .await
///     .expect("the journal is new");
/// let order = coordinator.execute("order-17", PlaceOrder { item: "tea".into() }).await?;
/// assert_eq!(order, 3);
/// // The same id and input again is the same saga: nothing runs twice.
/// assert_eq!(coordinator.execute("order-17", PlaceOrder { item: "tea".into() }).await?, 3);
/// coordinator.shutdown().await;
/// # Ok(()) }
/// ```
///
/// # What is guaranteed
/// * **No lost saga.** When [`submit`](Self::submit) returns `Ok`, the saga is recorded. From then on it runs, or waits
///   to be run, or is finished, or is listed as [stuck](crate::journal::State::Stuck).
/// * **Order.** A step is requested only after the outcome of the step before it is durable. A compensation is requested
///   only after the compensations of all later steps are durable, unless the saga says `compensations = parallel`.
/// * **One final outcome.** The decision to compensate a saga is one entry. After that entry no step is requested.
/// * **A recorded step does not run again.** After a crash only the step that was in flight is requested again, under
///   the same idempotency key.
///
/// Clones are handles of the same coordinator. When the last one is dropped, the coordinator shuts down in the
/// background, as [`shutdown`](Self::shutdown) does.
#[must_use]
pub struct Coordinator<S: ?Sized + Send + Sync + 'static> {
    inner: Arc<Shared<S>>,
    /// Shuts down when the last coordinator is dropped. Running sagas hold only `inner`.
    owner: Arc<LastHandle>,
    /// The trace of the sagas that are submitted by this handle, if the caller has given one.
    trace: Option<TraceContext>,
}

impl<S: ?Sized + Send + Sync + 'static> Clone for Coordinator<S> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            owner: Arc::clone(&self.owner),
            trace: self.trace.clone(),
        }
    }
}

impl<S: ?Sized + Send + Sync + 'static> fmt::Debug for Coordinator<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coordinator")
            .field("worker", &self.inner.lease.worker)
            .field("definitions", &self.inner.definitions.versions())
            .field("running", &self.inner.running().len())
            .finish_non_exhaustive()
    }
}

/// The state that all clones of a coordinator and all of its sagas share.
struct Shared<S: ?Sized + Send + Sync + 'static> {
    services: Arc<S>,
    journal: Arc<dyn Journal>,
    definitions: Definitions<S>,
    policies: Arc<Policies>,
    propagator: Option<Arc<dyn TracePropagator>>,
    max_recoveries: u32,
    rhythm: Rhythm,
    lease: Lease,
    tenure: Arc<Tenure>,
    /// One permit for each saga that may be in flight. The others wait in the journal.
    slots: Arc<Semaphore>,
    /// Notified when a saga in the journal may be claimable.
    work: Notify,
    /// Notified when another process may have asked for something of a saga that is held here.
    requests: Notify,
    running: Mutex<HashMap<SagaId, Running>>,
    /// The names of the definitions that are paused, as the journal has said last.
    paused: Mutex<BTreeSet<String>>,
    /// Held while they are read.
    reading_paused: tokio::sync::Mutex<()>,
    /// Claims that this worker no longer uses but could not release, because the journal did not answer.
    unreleased: Mutex<Vec<Claim>>,
    /// The operators that want to decide about a running saga, and wait for its claim.
    calls: Mutex<HashMap<SagaId, OperatorCall>>,
    /// Set when the answer to a claim was lost: the journal may have claimed sagas for this worker that it does not
    /// run.
    has_lost_claims: AtomicBool,
    /// The open sagas of which the check has found that they do not fit their definitions.
    misfits: Mutex<HashMap<SagaId, Misfit>>,
    waiters: Arc<Waiters>,
    /// Wakes the callers that wait for the decision about a saga.
    on_decision: OnDecision,
    /// The wake-up time of the next sleeping saga.
    alarm: Alarm,
    suspects: Suspects,
    tasks: Tasks,
    runtime: runtime::Handle,
    /// Whether the runtime has ended, and with it the tasks of the coordinator.
    has_lost_runtime: AtomicBool,
}

/// A saga that runs in this process.
#[derive(Debug, Clone)]
struct Running {
    /// The durable name of its definition.
    name: &'static str,
    control: Arc<LocalControl>,
    recorder: Arc<Recorder>,
}

/// Shuts down the coordinator on drop.
struct LastHandle(CancellationToken);

impl Drop for LastHandle {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Notes that the runtime has ended, when it drops the task that this is in.
struct RuntimeGuard<S: ?Sized + Send + Sync + 'static>(Arc<Shared<S>>);

impl<S: ?Sized + Send + Sync + 'static> Drop for RuntimeGuard<S> {
    fn drop(&mut self) {
        if !self.0.is_shutting_down() {
            self.0.has_lost_runtime.store(true, Ordering::Release);
            // Their callers wait in other runtimes.
            self.0.waiters.close();
        }
    }
}

/// Why a coordinator runs nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopped {
    ShuttingDown,
    RuntimeEnded,
}

impl<S: ?Sized + Send + Sync + 'static> Shared<S> {
    /// Returns why nothing runs any more, if nothing does.
    fn stopped(&self) -> Option<Stopped> {
        if self.is_shutting_down() {
            Some(Stopped::ShuttingDown)
        } else {
            let has_lost_runtime = self.has_lost_runtime.load(Ordering::Acquire);
            has_lost_runtime.then_some(Stopped::RuntimeEnded)
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<SagaId, Running>> {
        lock(&self.running)
    }

    fn unreleased(&self) -> MutexGuard<'_, Vec<Claim>> {
        lock(&self.unreleased)
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<SagaId, OperatorCall>> {
        lock(&self.calls)
    }

    fn is_shutting_down(&self) -> bool {
        self.tenure.shutdown.is_cancelled()
    }

    /// The trace of a saga with which this context is kept.
    fn trace_of(&self, context: Option<TraceContext>) -> SagaTrace {
        SagaTrace {
            context,
            propagator: self.propagator.clone(),
        }
    }

    /// Passes on the journal's answer to a claim. After an error, notes that a claim may be lost.
    fn note_lost_claims<T>(&self, answer: Result<T, JournalError>) -> Result<T, JournalError> {
        if answer.is_err() {
            self.has_lost_claims.store(true, Ordering::Release);
        }
        answer
    }
}

/// Checks that a recorded saga is a `G`.
fn is_of<G: Saga>(record: &Record) -> Result<(), OperatorError> {
    if record.saga.name == G::META.name {
        return Ok(());
    }
    let name = record.saga.name.clone();
    Err(OperatorError::OtherSaga { name })
}

impl<S: ?Sized + Send + Sync + 'static> Coordinator<S> {
    /// Begins the settings of a coordinator. All of its sagas share these services: a value, or an `Arc`, also one of a
    /// trait object such as `Arc<dyn Services>`.
    pub fn builder(services: impl Into<Arc<S>>) -> Builder<S> {
        Builder::new(services.into())
    }
}

impl<S: ?Sized + Send + Sync + 'static> Coordinator<S> {
    /// Starts a saga and waits for its end. If a saga with this id, name and input exists, waits for that one.
    ///
    /// If the error's type is `Serialize + Deserialize`, every caller gets the same, also after a restart and from another worker:
    /// the saga's own error, or its text, as [`Cause::Recorded`](crate::Cause::Recorded), if the error can't be read back or has
    /// more than 64 KiB as JSON. Of an error of any other type the caller that starts the saga gets the error, and a later one its text.
    ///
    /// # Errors
    /// [`ExecuteError`] tells these cases apart, among others: the saga failed and is compensated, it is stuck, it continues
    /// without this caller, or it was not started.
    ///
    /// # Cancel safety
    /// Cancel-safe: the saga runs in a task of its own. Dropping the future after the start does not affect the saga.
    /// A future dropped earlier may or may not have started it. It is safe to repeat the call.
    pub async fn execute<G, I>(&self, id: I, saga: G) -> Result<G::Output, ExecuteError<G::Error>>
    where
        G: Saga<Services = S> + Serialize,
        I: TryInto<SagaId>,
        I::Error: Into<InvalidSagaId>,
    {
        self.submit(id, saga).await?.wait().await
    }

    /// Like [`execute`](Self::execute), but waits at most for `limit`. The saga goes on after that.
    ///
    /// # Errors
    /// As those of [`execute`](Self::execute). [`ExecuteError::InProgress`] after the limit: it says what is known.
    ///
    /// # Cancel safety
    /// As that of [`execute`](Self::execute).
    pub async fn execute_within<G, I>(
        &self,
        id: I,
        saga: G,
        limit: Duration,
    ) -> Result<G::Output, ExecuteError<G::Error>>
    where
        G: Saga<Services = S> + Serialize,
        I: TryInto<SagaId>,
        I::Error: Into<InvalidSagaId>,
    {
        let begun = Instant::now();
        let id = id.try_into().map_err(|error| {
            let rejected = Rejected::Id(error.into());
            ExecuteError::NotStarted(rejected.into())
        })?;
        match tokio::time::timeout(limit, self.submit(id.clone(), saga)).await {
            Ok(submitted) => {
                let left = limit.saturating_sub(begun.elapsed());
                submitted?.wait_at_most(left, limit).await
            }
            Err(_) => Err(ExecuteError::InProgress {
                id,
                why: format!("the journal has not confirmed its start within {limit:?}"),
                state: None,
                waits: Vec::new(),
            }),
        }
    }

    /// Reads the state of a saga, and nothing of its history. `None` if no saga has this id, or it was
    /// [removed](Self::purge).
    ///
    /// # Errors
    /// If the journal can't be read.
    pub async fn status(&self, id: impl TryInto<SagaId>) -> Result<Option<State>, JournalError> {
        let Ok(id) = id.try_into() else {
            return Ok(None);
        };
        let record = self.inner.journal.record(&id).await?;
        Ok(record.map(|record| record.state))
    }

    /// Returns the end of a saga as [`execute`](Self::execute) returns it, without waiting. `None` if it has not ended,
    /// and is not stuck.
    ///
    /// # Errors
    /// As those of [`attach`](Self::attach).
    pub async fn outcome<G>(
        &self,
        id: impl TryInto<SagaId>,
    ) -> Result<Option<Answer<G>>, OperatorError>
    where
        G: Saga<Services = S>,
    {
        let id = id.try_into().map_err(|_| OperatorError::Unknown)?;
        let history = self.inner.journal.load(&id).await?;
        let history = history.ok_or(OperatorError::Unknown)?;
        is_of::<G>(&history.record)?;
        Ok(recorded_answer::<G>(&history))
    }

    /// Returns the handle of a saga that was started before, in this process or another.
    ///
    /// # Errors
    /// [`OperatorError::Unknown`] if there is no saga with this id, [`OperatorError::OtherSaga`] if it is not a `G`,
    /// [`OperatorError::Journal`] if the journal can't be reached.
    pub async fn attach<G>(&self, id: impl TryInto<SagaId>) -> Result<Handle<S, G>, OperatorError>
    where
        G: Saga<Services = S>,
    {
        let id = id.try_into().map_err(|_| OperatorError::Unknown)?;
        let record = self.inner.journal.record(&id).await?;
        is_of::<G>(&record.ok_or(OperatorError::Unknown)?)?;
        Ok(Handle::new(Arc::clone(&self.inner), id, None))
    }

    /// Replays all open sagas of the journal against what is registered, without effects, and reports the ones that don't
    /// fit: their next wake-up would leave them stuck. [`start`](Builder::start) does the same in the background.
    ///
    /// Sagas that run meanwhile may be reported as they were. 100,000 open sagas of two steps took 6.4 seconds on a file, on
    /// two cores.
    ///
    /// # Errors
    /// If the journal can't be read.
    pub async fn check(&self) -> Result<CheckReport, JournalError> {
        self.inner.check().await
    }

    /// The open sagas that don't fit their definitions, as far as the last [check](Self::check) has found them.
    #[must_use]
    pub fn misfits(&self) -> Vec<Misfit> {
        lock(&self.inner.misfits).values().cloned().collect()
    }

    /// Stops in an orderly way. The coordinator starts and claims no more sagas. Attempts in flight end or time out,
    /// and their outcomes are recorded. A shutdown compensates nothing: open sagas continue in the next process.
    ///
    /// Returns when no saga runs here any more. It can be called more than once.
    ///
    /// # Cancel safety
    /// Once polled, the shutdown continues also if the future is dropped.
    pub async fn shutdown(&self) {
        self.inner.tenure.shutdown.cancel();
        self.inner.tasks.close().await;
        // The last ones, whose tasks ended after the loop that releases them.
        self.inner.release_unreleased().await;
        self.inner.waiters.close();
        self.inner.journal.close().await;
    }

    /// Ends all that runs here where it is, as if the process was killed, and gives the journal back.
    #[cfg(feature = "testing")]
    pub(crate) async fn crash(&self) {
        self.inner.tasks.crash().await;
        self.inner.waiters.close();
        self.inner.journal.close().await;
    }

    /// Ends all that runs here as [`crash`](Self::crash) does, at this poll of its tasks, counted from now. Returns when that has happened.
    #[cfg(feature = "testing")]
    pub(crate) async fn crash_at_poll(&self, poll: u64) {
        self.inner.tasks.end_at_poll(poll).await;
        self.crash().await;
    }
}
