//! Runs sagas durably: each in a task of its own, on a journal that survives the process.

mod answer;
mod builder;
mod detach;
mod dispatcher;
mod error;
mod handle;
mod inspection;
mod operator;
mod registry;
mod replies;
mod send;
mod task;
mod waiters;
mod wakeup;

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::runtime;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::engines::control::Control;
use crate::engines::journaled::Policies;
use crate::engines::journaled::recorder::{Recorder, Tenure};
use crate::id::{InvalidSagaId, SagaId, asked};
use crate::journal::{Claim, Journal, JournalError, Lease, NewSaga, Started};
use crate::panic::message;
use crate::run::Saga;

pub use builder::{Builder, NoJournal};
pub use error::{ExecuteError, OperatorError, Rejected, StartError, Stuck, SubmitError};
pub use handle::Handle;
pub use inspection::{Inspection, Inspector, OpenWait};
pub use registry::Registrable;

use registry::Definitions;
use replies::Replies;
use task::{AnswerSender, Claimant};
use waiters::Waiters;
use wakeup::Alarm;

/// Runs sagas on a [`Journal`], so that they survive the process: a saga that was cut off goes on where it was, in the
/// next process that has its definition.
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
/// * **No lost saga.** When [`submit`](Self::submit) has returned `Ok`, the saga is written down. From then on it runs, or
///   waits to be run, or is finished, or is listed as [stuck](crate::journal::State::Stuck).
/// * **Order.** A step is requested only after the outcome of the one before it is durable, a compensation only after those
///   of all later steps.
/// * **One final outcome.** The decision to undo a saga is one entry; after it no step is requested.
/// * **What is written down is not run again.** After a crash only the step that was in flight is requested again, under
///   its idempotency key.
///
/// Clones are the same coordinator. When the last one is dropped it shuts down like [`shutdown`](Self::shutdown), but
/// nobody waits for it.
#[must_use]
pub struct Coordinator<S: ?Sized + Send + Sync + 'static> {
    inner: Arc<Shared<S>>,
    /// Shuts down when the last coordinator is dropped; the sagas that run hold `inner` alone.
    owner: Arc<LastHandle>,
}

impl<S: ?Sized + Send + Sync + 'static> Clone for Coordinator<S> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            owner: Arc::clone(&self.owner),
        }
    }
}

impl<S: ?Sized + Send + Sync + 'static> fmt::Debug for Coordinator<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coordinator")
            .field("worker", &self.inner.lease.worker)
            .field("definitions", &self.inner.definitions.names())
            .field("running", &self.inner.running().len())
            .finish_non_exhaustive()
    }
}

/// What all clones of a coordinator and all of its sagas share.
struct Shared<S: ?Sized + Send + Sync + 'static> {
    services: Arc<S>,
    journal: Arc<dyn Journal>,
    definitions: Definitions<S>,
    policies: Policies,
    max_recoveries: u32,
    poll_interval: Duration,
    lease: Lease,
    tenure: Arc<Tenure>,
    /// How many sagas may be in flight; the others wait in the journal.
    slots: Arc<Semaphore>,
    /// Somebody waits in the journal.
    work: Notify,
    running: Mutex<HashMap<SagaId, Running>>,
    /// Sagas that were let go of while the journal could not be told.
    abandoned: Mutex<Vec<Claim>>,
    /// Whether the journal may have handed out sagas without this worker having heard of it.
    has_lost_claims: AtomicBool,
    waiters: Waiters,
    replies: Replies,
    /// When the next saga that sleeps is to go on.
    alarm: Alarm,
    tasks: TaskTracker,
    runtime: runtime::Handle,
    /// Whether the runtime has ended, and with it the tasks of the coordinator.
    has_lost_runtime: AtomicBool,
}

/// A saga that runs in this process.
#[derive(Debug, Clone)]
struct Running {
    cancellation: CancellationToken,
    control: Arc<Control>,
    recorder: Arc<Recorder>,
}

/// Shuts the coordinator down when it is dropped.
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
            self.0.replies.clear();
            self.0.waiters.wake_all();
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
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn abandoned(&self) -> MutexGuard<'_, Vec<Claim>> {
        self.abandoned
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn is_shutting_down(&self) -> bool {
        self.tenure.shutdown.is_cancelled()
    }

    /// Notes that the journal may have handed out sagas, if it has not answered.
    fn heard<T>(&self, answer: Result<T, JournalError>) -> Result<T, JournalError> {
        if answer.is_err() {
            self.has_lost_claims.store(true, Ordering::Release);
        }
        answer
    }

    /// Writes down a new saga, and runs it if there is a free slot.
    async fn start<G>(self: Arc<Self>, new: NewSaga, saga: G) -> Result<Handle<S, G>, SubmitError>
    where
        G: Saga<Services = S>,
    {
        let (id, input) = (new.id.clone(), new.input.clone());
        // Without a free slot the saga waits in the journal, not in memory.
        let slot = Arc::clone(&self.slots).try_acquire_owned().ok();
        let lease = slot.as_ref().map(|_| &self.lease);
        let waiting = match &slot {
            Some(_) => None,
            None => self.replies.enter::<G>(&id),
        };
        let started = self.heard(self.journal.start(new, lease).await);
        if waiting.is_some() && !matches!(started, Ok(Started::New(_))) {
            self.replies.remove(&id);
        }
        match started? {
            Started::New(claim) => {
                let answer = if let (Some(claim), Some(slot)) = (claim, slot) {
                    let (reply, answer) = AnswerSender::channel();
                    self.spawn(Claimant::new(claim, slot), saga, Some(reply));
                    Some(answer)
                } else {
                    self.work.notify_one();
                    waiting
                };
                Ok(Handle::new(self, id, answer))
            }
            Started::Existing(record) => {
                if record.saga.name == G::META.name && is_same(&record.saga.input, &input) {
                    Ok(Handle::new(self, id, None))
                } else {
                    Err(SubmitError::Conflict {
                        id,
                        name: record.saga.name,
                    })
                }
            }
        }
    }
}

/// What was handed over, as JSON. A panic of its own code is an error like any other.
fn to_json(value: &impl Serialize) -> serde_json::Result<String> {
    catch_unwind(AssertUnwindSafe(|| serde_json::to_string(value))).unwrap_or_else(|panic| {
        let message = format!("panicked: {}", message(&*panic));
        Err(serde::ser::Error::custom(message))
    })
}

impl<S: Send + Sync + 'static> Coordinator<S> {
    /// A coordinator for sagas that use these services, which are shared by all of them.
    pub fn builder(services: impl Into<Arc<S>>) -> Builder<S> {
        Builder::new(services.into())
    }
}

impl<S: ?Sized + Send + Sync + 'static> Coordinator<S> {
    /// Starts a saga and waits for its end. If a saga with this id and an equal input is there already, waits for that.
    ///
    /// The call that starts the saga gets its typed error. Any other gets the text that is written down, as
    /// [`Cause::Recorded`](crate::Cause::Recorded).
    ///
    /// # Errors
    /// [`ExecuteError`] tells apart a saga that failed and is compensated, one that is stuck, one that goes on without this
    /// caller, and one that was not started.
    ///
    /// # Cancel safety
    /// The saga runs in a task of its own: once it is started, dropping the future changes nothing about it. A future that
    /// is dropped before may or may not have started it; the same call again is safe.
    pub async fn execute<G, I>(&self, id: I, saga: G) -> Result<G::Output, ExecuteError<G::Error>>
    where
        G: Saga<Services = S> + Serialize,
        I: TryInto<SagaId>,
        I::Error: Into<InvalidSagaId>,
    {
        self.submit(id, saga).await?.wait().await
    }

    /// Starts a saga. When this returns `Ok`, it is written down and will come to an end, whatever becomes of this process.
    ///
    /// If a saga with this id and an equal input is there already, this is the handle of that.
    ///
    /// # Errors
    /// [`SubmitError`] if the saga was not started. If the journal could not be reached, it may have been; the same call
    /// again is safe.
    ///
    /// # Cancel safety
    /// A future that is dropped may or may not have started the saga; the same call again is safe.
    pub async fn submit<G, I>(&self, id: I, saga: G) -> Result<Handle<S, G>, SubmitError>
    where
        G: Saga<Services = S> + Serialize,
        I: TryInto<SagaId>,
        I::Error: Into<InvalidSagaId>,
    {
        let id = id.try_into().map_err(|error| Rejected::Id(error.into()))?;
        let inner = &self.inner;
        let definition = inner
            .definitions
            .get(G::META.name)
            .ok_or(Rejected::NotRegistered { name: G::META.name })?;
        let input = to_json(&saga).map_err(Rejected::Input)?;
        let limit = inner.policies.payload_limit;
        if input.len() > limit {
            let bytes = input.len();
            return Err(Rejected::TooLarge { bytes, limit }.into());
        }
        match inner.stopped() {
            Some(Stopped::ShuttingDown) => return Err(Rejected::ShuttingDown.into()),
            Some(Stopped::RuntimeEnded) => return Err(Rejected::RuntimeEnded.into()),
            None => {}
        }
        let new = NewSaga {
            id: id.clone(),
            name: G::META.name.to_owned(),
            version: G::META.version,
            fingerprint: definition.fingerprint(),
            input,
        };
        inner.begin(Arc::clone(inner).start(new, saga)).await
    }

    /// The handle of a saga that was started before, in this process or another.
    ///
    /// # Errors
    /// If there is none with this id, or it is not a `G`, or the journal can't be reached.
    pub async fn attach<G>(&self, id: impl TryInto<SagaId>) -> Result<Handle<S, G>, OperatorError>
    where
        G: Saga<Services = S>,
    {
        let id = asked(id).ok_or(OperatorError::Unknown)?;
        let history = self.inner.journal.load(&id).await?;
        let record = history.ok_or(OperatorError::Unknown)?.record;
        if record.saga.name != G::META.name {
            return Err(OperatorError::OtherSaga {
                name: record.saga.name,
            });
        }
        Ok(Handle::new(Arc::clone(&self.inner), id, None))
    }

    /// Stops in an orderly way: no saga is started or taken over any more, attempts that are under way end or time out,
    /// and what they gave is written down. Nothing is compensated because of it: the sagas go on in the next process.
    ///
    /// Returns when nothing runs any more. It can be called more than once.
    pub async fn shutdown(&self) {
        self.inner.tenure.shutdown.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
        self.inner.replies.clear();
        self.inner.waiters.wake_all();
        self.inner.journal.close().await;
    }
}

/// Whether two inputs are the same data, whatever the order of their fields.
fn is_same(one: &str, other: &str) -> bool {
    let value = |text| serde_json::from_str::<serde_json::Value>(text).ok();
    one == other || value(one).is_some_and(|one| Some(one) == value(other))
}
