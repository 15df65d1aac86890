//! The settings of a coordinator, and its start.

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::attempts::ATTEMPT_TIMEOUT;
use crate::coordinator::check::{CheckReport, Checking, OnMisfit};
use crate::coordinator::error::StartError;
use crate::coordinator::registry::Definitions;
use crate::coordinator::waiters::Waiters;
use crate::coordinator::wakeup::Alarm;
use crate::coordinator::{Coordinator, LastHandle, Registrable, RuntimeGuard, Shared};
use crate::engines::journaled::Policies;
use crate::engines::journaled::recorder::Tenure;
use crate::journal::{Journal, Lease, SagaVersion, Worker};

/// A lease is renewed three times in its duration. A shorter one would be renewed without a pause.
const SHORTEST_LEASE: Duration = Duration::from_millis(3);

/// A duration that no process outlives.
const LONGEST_LEASE: Duration = Duration::from_hours(24 * 365 * 30);

/// The type of a [`Builder`] that has no journal yet: it can't start.
#[derive(Debug)]
pub struct NoJournal;

/// The settings of a [`Coordinator`]: its journal, its sagas, its limits.
#[must_use = "nothing runs until `start` is called"]
pub struct Builder<S: ?Sized + Send + Sync + 'static, J = NoJournal> {
    services: Arc<S>,
    journal: J,
    definitions: Definitions<S>,
    twice: Option<SagaVersion>,
    on_misfit: OnMisfit,
    policies: Policies,
    max_recoveries: u32,
    in_flight: usize,
    lease: Duration,
    worker: Option<Worker>,
}

impl<S: ?Sized + Send + Sync + 'static, J> fmt::Debug for Builder<S, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("definitions", &self.definitions.versions())
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
            on_misfit: OnMisfit::Report,
            policies: Policies {
                attempt_timeout: ATTEMPT_TIMEOUT,
                payload_limit: 1024 * 1024,
                patience: Duration::from_secs(1),
            },
            max_recoveries: 10,
            in_flight: 1000,
            lease: Duration::from_secs(30),
            worker: None,
        }
    }

    /// Sets the journal in which the coordinator records its sagas.
    pub fn journal(self, journal: impl Journal) -> Builder<S, Arc<dyn Journal>> {
        Builder {
            services: self.services,
            journal: Arc::new(journal),
            definitions: self.definitions,
            twice: self.twice,
            on_misfit: self.on_misfit,
            policies: self.policies,
            max_recoveries: self.max_recoveries,
            in_flight: self.in_flight,
            lease: self.lease,
            worker: self.worker,
        }
    }
}

impl<S: ?Sized + Send + Sync + 'static, J> Builder<S, J> {
    /// Registers a saga, so that the coordinator can run it, also after a crash.
    ///
    /// Several versions of a saga can be registered. An open saga goes on with its own version, and new ones start with
    /// the highest. Sagas in the journal whose name or version is not registered wait there. They do not block others.
    pub fn register<G: Registrable<S>>(mut self) -> Self {
        if !self.definitions.add::<G>() {
            self.twice = Some(SagaVersion::new(G::META.name, G::META.version));
        }
        self
    }

    /// Sets what happens if open sagas don't fit what is registered. Default: [`OnMisfit::Report`].
    pub fn on_misfit(self, on_misfit: OnMisfit) -> Self {
        Self { on_misfit, ..self }
    }

    /// Sets how many sagas run at the same time. The others wait in the journal. Default: 1,000.
    pub fn in_flight(self, sagas: usize) -> Self {
        let in_flight = sagas.clamp(1, Semaphore::MAX_PERMITS);
        Self { in_flight, ..self }
    }

    /// Sets the time limit of one attempt, for steps and compensations without a `timeout` of their own. Default: one
    /// minute.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.policies.attempt_timeout = timeout;
        self
    }

    /// Sets the size limit of an input, an output or an event's value, in bytes of JSON. Default: 1 MiB.
    pub fn payload_limit(mut self, bytes: usize) -> Self {
        self.policies.payload_limit = bytes;
        self
    }

    /// Sets how long a saga waits in memory, in a `sleep` or for an event, before it is suspended. A suspended saga
    /// costs a row in the journal and no task. Default: one second.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.policies.patience = patience;
        self
    }

    /// Sets how often a saga is claimed from crashed processes without progress in between, before it counts as stuck.
    /// Its current step may be the one that crashes them. Default: 10.
    pub fn max_recoveries(self, max_recoveries: u32) -> Self {
        Self {
            max_recoveries,
            ..self
        }
    }

    /// Sets the duration of the lease: if this worker falls silent, other workers wait this long before they claim its
    /// sagas. Default: 30 seconds; at least 3 milliseconds.
    pub fn lease(self, lease: Duration) -> Self {
        let lease = lease.clamp(SHORTEST_LEASE, LONGEST_LEASE);
        Self { lease, ..self }
    }

    /// Names this process in the journal, for people. A unique suffix is added, so a restarted process counts as a new
    /// worker and claims the sagas that its predecessor left open. Default: the process id.
    pub fn worker(self, name: &str) -> Self {
        let worker = Some(Worker::generate(name));
        Self { worker, ..self }
    }
}

impl<S: ?Sized + Send + Sync + 'static> Builder<S, Arc<dyn Journal>> {
    fn registered_once(&self) -> Result<(), StartError> {
        match self.twice {
            Some(SagaVersion { name, version }) => {
                Err(StartError::RegisteredTwice { name, version })
            }
            None => Ok(()),
        }
    }

    /// Replays all open sagas of the journal against what is registered, without effects, and starts nothing. Before a
    /// deploy, a test can do this with a copy of the journal, which may be read-only.
    ///
    /// ```
    /// # use saga_runtime::journal::Memory;
    /// # use saga_runtime::{Context, Coordinator, saga, step};
    /// # #[step(compensate = ())] async fn quote(_: Context<'_, ()>) -> Result<(), String> { Ok(()) }
    /// # saga!(async fn order(cx: Context<'_, ()>) -> Result<(), String> { quote(cx).await?; Ok(()) });
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), saga_runtime::coordinator::StartError> {
    /// let copy = Memory::new(); // or `Sqlite::open_read_only("copy.db").await?`
    /// let report = Coordinator::builder(()).journal(copy).register::<Order>().check().await?;
    /// assert!(report.is_fine(), "{report}");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`StartError::RegisteredTwice`], [`StartError::Journal`].
    pub async fn check(&self) -> Result<CheckReport, StartError> {
        self.registered_once()?;
        let checking = Checking {
            definitions: &self.definitions,
            services: &*self.services,
            journal: &self.journal,
            policies: self.policies,
        };
        let checked = checking.run(|_| false, |_| {}).await;
        Ok(checked?)
    }

    /// Starts the coordinator. In the background it first claims the sagas that earlier processes left open, at most as
    /// many at a time as may be [in flight](Self::in_flight). New sagas are accepted meanwhile. It also
    /// [checks](Coordinator::check) in the background that the open sagas fit what is registered: each that does not is an
    /// ERROR event, and each name or version that is not registered a WARN event with the number of its sagas.
    ///
    /// # Errors
    /// [`StartError::RegisteredTwice`] if two sagas have the same name and version, [`StartError::Journal`] if the journal
    /// can't be reached, [`StartError::Misfits`] with [`OnMisfit::Refuse`].
    ///
    /// # Panics
    /// If called outside of a tokio runtime.
    pub async fn start(self) -> Result<Coordinator<S>, StartError> {
        if self.on_misfit == OnMisfit::Refuse {
            let report = self.check().await?;
            if !report.is_fine() {
                return Err(StartError::Misfits(Box::new(report)));
            }
        } else {
            self.registered_once()?;
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
        let waiters = Arc::new(Waiters::default());
        let deciding = Arc::clone(&waiters);
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
            cancellations: Notify::new(),
            running: Mutex::default(),
            unreleased: Mutex::default(),
            calls: Mutex::default(),
            has_lost_claims: AtomicBool::default(),
            misfits: Mutex::default(),
            waiters,
            on_decision: Arc::new(move |id| deciding.wake(id)),
            alarm: Alarm::default(),
            tasks: TaskTracker::new(),
            runtime: Handle::current(),
            has_lost_runtime: AtomicBool::default(),
        });
        let listening = Arc::downgrade(&inner);
        inner.journal.listen(Box::new(move |signal| {
            let inner = listening.upgrade();
            inner.is_some_and(|inner| inner.hear(signal))
        }));
        inner.tasks.spawn(Arc::clone(&inner).renew_leases());
        if self.on_misfit == OnMisfit::Report {
            inner.tasks.spawn(Arc::clone(&inner).check_in_background());
        }
        let guard = RuntimeGuard(Arc::clone(&inner));
        inner.tasks.spawn(Arc::clone(&inner).dispatch(guard));
        Ok(Coordinator {
            inner,
            owner: Arc::new(owner),
        })
    }
}
