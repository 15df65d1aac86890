//! The settings of a coordinator.

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::coordinator::error::StartError;
use crate::coordinator::registry::Definitions;
use crate::coordinator::replies::Replies;
use crate::coordinator::waiters::Waiters;
use crate::coordinator::wakeup::Alarm;
use crate::coordinator::{Coordinator, LastHandle, Registrable, RuntimeGuard, Shared};
use crate::engines::journaled::Policies;
use crate::engines::journaled::recorder::Tenure;
use crate::journal::{Journal, Lease, Worker};

/// Leases are renewed three times as often, and not all the time.
const SHORTEST_LEASE: Duration = Duration::from_millis(3);

/// Longer than any process lives.
const LONGEST_LEASE: Duration = Duration::from_hours(24 * 365 * 30);

/// A coordinator without a journal can't be started.
#[derive(Debug)]
pub struct NoJournal;

/// The settings of a [`Coordinator`]: its journal, its sagas, its limits.
#[must_use = "nothing runs until `start` is called"]
pub struct Builder<S: ?Sized + Send + Sync + 'static, J = NoJournal> {
    services: Arc<S>,
    journal: J,
    definitions: Definitions<S>,
    twice: Option<&'static str>,
    policies: Policies,
    max_recoveries: u32,
    in_flight: usize,
    lease: Duration,
    worker: Option<Worker>,
}

impl<S: ?Sized + Send + Sync + 'static, J> fmt::Debug for Builder<S, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("definitions", &self.definitions.names())
            .finish_non_exhaustive()
    }
}

impl<S: ?Sized + Send + Sync + 'static> Builder<S> {
    pub(super) fn new(services: Arc<S>) -> Self {
        Self {
            services,
            journal: NoJournal,
            definitions: Definitions::new(),
            twice: None,
            policies: Policies {
                attempt_timeout: Duration::from_mins(1),
                payload_limit: 1024 * 1024,
                patience: Duration::from_secs(1),
            },
            max_recoveries: 10,
            in_flight: 1000,
            lease: Duration::from_secs(30),
            worker: None,
        }
    }

    /// Where it writes down what its sagas do.
    pub fn journal(self, journal: impl Journal) -> Builder<S, Arc<dyn Journal>> {
        Builder {
            services: self.services,
            journal: Arc::new(journal),
            definitions: self.definitions,
            twice: self.twice,
            policies: self.policies,
            max_recoveries: self.max_recoveries,
            in_flight: self.in_flight,
            lease: self.lease,
            worker: self.worker,
        }
    }
}

impl<S: ?Sized + Send + Sync + 'static, J> Builder<S, J> {
    /// Adds a saga that it can run, and go on with after a crash. A saga in the journal that is not registered waits
    /// there, and holds up no other.
    pub fn register<G: Registrable<S>>(mut self) -> Self {
        if !self.definitions.add::<G>() {
            self.twice = Some(G::META.name);
        }
        self
    }

    /// How many sagas run at the same time; the others wait in the journal. 1,000 if nothing is said.
    pub fn in_flight(self, sagas: usize) -> Self {
        let in_flight = sagas.clamp(1, Semaphore::MAX_PERMITS);
        Self { in_flight, ..self }
    }

    /// The longest that one attempt of a step or a compensation may take that says nothing itself. One minute if nothing
    /// is said.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.policies.attempt_timeout = timeout;
        self
    }

    /// The largest input or output, in bytes of JSON. 1 MiB if nothing is said.
    pub fn payload_limit(mut self, bytes: usize) -> Self {
        self.policies.payload_limit = bytes;
        self
    }

    /// A saga that waits longer than this, in a `sleep` or for an event, is let go of until then: it costs a row and no task.
    /// One second if nothing is said.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.policies.patience = patience;
        self
    }

    /// How often a saga is taken over from processes that ended in the same place before it is stuck: it may be what ends
    /// them. 10 if nothing is said.
    pub fn max_recoveries(self, max_recoveries: u32) -> Self {
        Self {
            max_recoveries,
            ..self
        }
    }

    /// How long other workers wait before they take over what this one holds, if it falls silent. 30 seconds if nothing is
    /// said.
    pub fn lease(self, lease: Duration) -> Self {
        let lease = lease.clamp(SHORTEST_LEASE, LONGEST_LEASE);
        Self { lease, ..self }
    }

    /// Names this process in the journal, for people. What makes the name unique is added to it, so that a process that is
    /// started again takes over what the one before has left. The process's number if nothing is said.
    pub fn worker(self, name: &str) -> Self {
        let worker = Some(Worker::generate(name));
        Self { worker, ..self }
    }
}

impl<S: ?Sized + Send + Sync + 'static> Builder<S, Arc<dyn Journal>> {
    /// Starts the coordinator. In the background it first takes over what earlier processes left open, as many sagas at a
    /// time as may be [in flight](Self::in_flight); new ones are accepted meanwhile.
    ///
    /// # Errors
    /// If two sagas have the same name, or the journal can't be reached.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn start(self) -> Result<Coordinator<S>, StartError> {
        if let Some(name) = self.twice {
            return Err(StartError::RegisteredTwice { name });
        }
        let lease = Lease {
            worker: self
                .worker
                .unwrap_or_else(|| Worker::generate(&std::process::id().to_string())),
            duration: self.lease,
        };
        let until = Instant::now() + lease.duration;
        self.journal.renew(&lease).await?;
        let tenure = Arc::new(Tenure::new(until));
        let owner = LastHandle(tenure.shutdown.clone());
        let inner = Arc::new(Shared {
            services: self.services,
            journal: self.journal,
            definitions: self.definitions,
            policies: self.policies,
            max_recoveries: self.max_recoveries,
            poll_interval: lease.duration / 3,
            lease,
            tenure,
            slots: Arc::new(Semaphore::new(self.in_flight)),
            work: Notify::new(),
            running: Mutex::default(),
            abandoned: Mutex::default(),
            has_lost_claims: AtomicBool::default(),
            waiters: Waiters::default(),
            replies: Replies::default(),
            alarm: Alarm::default(),
            tasks: TaskTracker::new(),
            runtime: Handle::current(),
            has_lost_runtime: AtomicBool::default(),
        });
        inner.tasks.spawn(Arc::clone(&inner).renew_leases());
        let guard = RuntimeGuard(Arc::clone(&inner));
        inner.tasks.spawn(Arc::clone(&inner).dispatch(guard));
        Ok(Coordinator {
            inner,
            owner: Arc::new(owner),
        })
    }
}
