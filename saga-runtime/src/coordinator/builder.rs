//! The settings of a coordinator, and its start.

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use crate::attempts::ATTEMPT_TIMEOUT;
use crate::clock::Clock;
use crate::coordinator::check::{CheckReport, Checking, OnMisfit};
#[cfg(feature = "testing")]
use crate::coordinator::check::{Stage, Unfit};
use crate::coordinator::error::StartError;
#[cfg(feature = "metrics")]
use crate::coordinator::metered::Metered;
use crate::coordinator::registry::Definitions;
use crate::coordinator::rhythm::Rhythm;
use crate::coordinator::suspects::Suspects;
use crate::coordinator::tasks::Tasks;
use crate::coordinator::waiters::Waiters;
use crate::coordinator::wakeup::Alarm;
use crate::coordinator::{Coordinator, LastHandle, Registrable, RuntimeGuard, Shared};
use crate::engines::journaled::Policies;
use crate::engines::journaled::bulkheads::Bulkheads;
#[cfg(feature = "testing")]
use crate::engines::journaled::faults::Faults;
use crate::engines::journaled::recorder::Tenure;
#[cfg(feature = "testing")]
use crate::journal::{History, Memory};
use crate::journal::{Journal, JournalError, Lease, Worker};
use crate::language::recorded::RecordedStep;
use crate::language::{Step, StepFunction};
use crate::meta::{Overrides, Policy, RetryDefaults, RetryPolicy};
use crate::metrics::AttemptMeters;
#[cfg(feature = "testing")]
use crate::shape::Shape;
use crate::trace::TracePropagator;

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
    refused: Option<StartError>,
    on_misfit: OnMisfit,
    policies: Policies,
    propagator: Option<Arc<dyn TracePropagator>>,
    max_recoveries: u32,
    recovery_pause: Duration,
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
            refused: None,
            on_misfit: OnMisfit::Report,
            policies: Policies {
                attempt_timeout: ATTEMPT_TIMEOUT,
                payload_limit: 1024 * 1024,
                patience: Duration::from_secs(1),
                retries: RetryDefaults::all(RetryPolicy::FOR_A_DAY),
                attempts_in_order: 5,
                overrides: Overrides::default(),
                bulkheads: Bulkheads::default(),
                attempts: AttemptMeters::default(),
                clock: Clock::default(),
                #[cfg(feature = "testing")]
                faults: None,
            },
            propagator: None,
            max_recoveries: 10,
            recovery_pause: Duration::from_secs(1),
            in_flight: 1000,
            lease: Duration::from_secs(30),
            worker: None,
        }
    }

    /// Sets the journal in which the coordinator records its sagas.
    pub fn journal(self, journal: impl Journal) -> Builder<S, Arc<dyn Journal>> {
        let policies = Policies {
            clock: journal.clock(),
            ..self.policies
        };
        Builder {
            services: self.services,
            journal: Arc::new(journal),
            definitions: self.definitions,
            refused: self.refused,
            on_misfit: self.on_misfit,
            policies,
            propagator: self.propagator,
            max_recoveries: self.max_recoveries,
            recovery_pause: self.recovery_pause,
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
        if let Err(error) = self.definitions.add::<G>() {
            self.refused.get_or_insert(error);
        }
        self
    }

    /// Registers a step whose saga is not registered any more, so that [`compensate`](Coordinator::compensate) can undo it: with
    /// `#[step(…)] async fn charge`, `register_step(charge)`. The steps of registered sagas are known already.
    pub fn register_step<I, F: StepFunction<I, Step: Step<Services = S>>>(
        mut self,
        _step: F,
    ) -> Self
    where
        S: 'static,
    {
        self.definitions.steps.add(RecordedStep::of::<F::Step>());
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

    /// Sets how long a saga waits in memory, for a time, an event or its next attempt, before it is suspended. A suspended
    /// saga costs a row in the journal, no task and no slot. Default: one second.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.policies.patience = patience;
        self
    }

    /// Sets the retry policy of compensations, of resolvers and of the attempts that settle a step in doubt, where the step
    /// says nothing. Default: [`RetryPolicy::FOR_A_DAY`], so that an outage of the service needs no operator.
    pub fn compensation_retry(mut self, policy: RetryPolicy) -> Self {
        self.policies.retries.compensation = policy;
        self
    }

    /// Sets the retry policy of retriable steps that say nothing. When it is used up, the saga is stuck until an operator
    /// lets it [retry](Coordinator::retry). Default: [`RetryPolicy::FOR_A_DAY`].
    pub fn retriable_retry(mut self, policy: RetryPolicy) -> Self {
        self.policies.retries.retriable = policy;
        self
    }

    /// Sets the number of attempts that a compensation, or a step in doubt, makes in its place. If they fail, the earlier
    /// steps are compensated, and further attempts come behind them, unless the saga says
    /// `on_compensation_failure = halt`. So do attempts whose wait is longer than [`patience`](Self::patience). Default: 5.
    pub fn attempts_in_order(mut self, attempts: u32) -> Self {
        self.policies.attempts_in_order = attempts;
        self
    }

    /// Changes the time limits and retries of a step, over all options of the step and of its sagas: numbers that are tuned in a
    /// running service come from its settings. `change` gets the numbers of the step itself, as far as it has some.
    ///
    /// ```
    /// use std::time::Duration;
    /// # use saga_runtime::{Context, Coordinator, saga, step};
    /// # struct Shop;
    /// # struct Settings { charge_timeout: Duration }
    /// # #[step(compensate = ())] async fn charge(_: Context<'_, Shop>) -> Result<(), String> { Ok(()) }
    /// # saga!(async fn sell(cx: Context<'_, Shop>) -> Result<(), String> { charge(cx).await });
    /// # let settings = Settings { charge_timeout: Duration::from_secs(9) };
    ///
    /// let builder = Coordinator::builder(Shop)
    ///     .register::<Sell>()
    ///     .policy(charge, |policy| policy.timeout(settings.charge_timeout));
    /// # drop(builder);
    /// ```
    ///
    /// The numbers of an attempt that was made stay as they were; the next one counts by the new ones. [`Policy`] has the order in which
    /// options, policies, defaults and settings hold. [`start`](Self::start) refuses a step that no registered saga calls.
    pub fn policy<I, F: StepFunction<I, Step: Step<Services = S>>>(
        mut self,
        step: F,
        change: impl FnOnce(Policy) -> Policy,
    ) -> Self {
        self.policies.overrides.change(step.meta(), change);
        self
    }

    /// Sets the parts of a policy that `policy` has, for the step with this durable name: [`policy`](Self::policy) for names that come
    /// from a file. [`start`](Self::start) refuses a name that no step of a registered saga has.
    pub fn policy_of(mut self, step: impl Into<String>, policy: Policy) -> Self {
        self.policies.overrides.set(step.into(), policy);
        self
    }

    /// Limits how many attempts of a step are under way at a time in this process, over all sagas, so that the sagas do not
    /// overrun its service: `limit(charge, 20)`. A saga that waits for its turn longer than [`patience`](Self::patience)
    /// holds no slot. Attempts of the compensation do not count. At least 1.
    pub fn limit<I, F: StepFunction<I, Step: Step<Services = S>>>(
        mut self,
        step: F,
        attempts: usize,
    ) -> Self {
        self.policies.bulkheads.limit(step.meta().name, attempts);
        self
    }

    /// Sets how the spans of sagas are kept in the traces of the service. Without it, each run of a saga is a trace of its own, and
    /// steps get the context that [`Coordinator::in_trace`] has given, if any. Default: none. The guide has one for OpenTelemetry.
    pub fn trace_propagator(self, propagator: impl TracePropagator) -> Self {
        let propagator: Option<Arc<dyn TracePropagator>> = Some(Arc::new(propagator));
        Self { propagator, ..self }
    }

    /// Sets how often a saga is claimed from crashed processes without progress in between, before it counts as stuck.
    /// Its current step may be the one that crashes them. Default: 10.
    ///
    /// After the second such crash a saga is a suspect: suspects are tried one at a time, so that a crash counts against the
    /// saga that was tried, and no other one.
    pub fn max_recoveries(self, max_recoveries: u32) -> Self {
        Self {
            max_recoveries,
            ..self
        }
    }

    /// Sets the pause before a suspect is tried, a saga that was claimed from crashed processes twice without progress in
    /// between. It doubles with each further crash, up to five minutes. Default: one second.
    pub fn recovery_pause(self, recovery_pause: Duration) -> Self {
        Self {
            recovery_pause,
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

#[cfg(feature = "testing")]
impl<S: ?Sized + Send + Sync + 'static, J> Builder<S, J> {
    /// The shapes of the registered sagas.
    ///
    /// # Errors
    /// If they can't be registered together.
    pub(crate) fn shapes(&self) -> Result<Vec<Shape>, &StartError> {
        match &self.refused {
            Some(error) => Err(error),
            None => Ok(self.definitions.shapes()),
        }
    }

    /// Replays a history without effects, whatever its state. `None` if its name and version are not registered; else why it does not
    /// fit, if it does not.
    pub(crate) async fn rehearse(&self, history: History) -> Option<Result<(), Unfit>> {
        let saga = &history.record.saga;
        let definition = self.definitions.get(&saga.name, saga.version)?;
        let stage = Stage::new(Arc::new(Memory::new()), Arc::new(self.policies.clone()));
        let unfit = definition.rehearse(&self.services, history, &stage).await;
        Some(unfit.map_or(Ok(()), Err))
    }

    /// Injects these faults into all attempts.
    pub(crate) fn faults(mut self, faults: Arc<dyn Faults>) -> Self {
        self.policies.faults = Some(faults);
        self
    }
}

impl<S: ?Sized + Send + Sync + 'static> Builder<S, Arc<dyn Journal>> {
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
    /// [`StartError::RegisteredTwice`], [`StartError::SharedName`], [`StartError::Journal`].
    pub async fn check(self) -> Result<CheckReport, StartError> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        Ok(self.checked().await?)
    }

    async fn checked(&self) -> Result<CheckReport, JournalError> {
        let checking = Checking {
            definitions: &self.definitions,
            services: &*self.services,
            journal: &self.journal,
            policies: Arc::new(self.policies.clone()),
        };
        checking.run(|_| false, |_| {}).await
    }

    /// Starts the coordinator. In the background it first claims the sagas that earlier processes left open, at most as
    /// many at a time as may be [in flight](Self::in_flight). New sagas are accepted meanwhile. It also
    /// [checks](Coordinator::check) in the background that the open sagas fit what is registered: each that does not is an
    /// ERROR event, and each name or version that is not registered a WARN event with the number of its sagas.
    ///
    /// # Errors
    /// [`StartError::RegisteredTwice`] if two sagas have the same name and version, [`StartError::SharedName`] if two different
    /// steps of one saga have the same name, [`StartError::UnknownStep`] if a policy is set for a step that no registered saga calls,
    /// [`StartError::Journal`] if the journal can't be reached, [`StartError::Misfits`] with [`OnMisfit::Refuse`].
    ///
    /// # Panics
    /// If called outside of a tokio runtime.
    pub async fn start(self) -> Result<Coordinator<S>, StartError> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        self.definitions.refuse_unknown(&self.policies.overrides)?;
        if self.on_misfit == OnMisfit::Refuse {
            let report = self.checked().await?;
            if !report.is_fine() {
                return Err(StartError::Misfits(Box::new(report)));
            }
            report.tell();
        }
        let journal = counted(self.journal);
        let lease = Lease {
            worker: self
                .worker
                .unwrap_or_else(|| Worker::generate(&std::process::id().to_string())),
            duration: self.lease,
        };
        let until = Instant::now() + lease.duration;
        let clock = self.policies.clock;
        journal.renew(&lease).await?;
        let tenure = Arc::new(Tenure::new(until));
        let owner = LastHandle(tenure.shutdown.clone());
        let waiters = Arc::new(Waiters::default());
        let deciding = Arc::clone(&waiters);
        let inner = Arc::new(Shared {
            services: self.services,
            journal,
            definitions: self.definitions,
            policies: Arc::new(self.policies),
            propagator: self.propagator,
            max_recoveries: self.max_recoveries,
            rhythm: Rhythm::new(lease.duration),
            lease,
            tenure,
            slots: Arc::new(Semaphore::new(self.in_flight)),
            work: Notify::new(),
            requests: Notify::new(),
            running: Mutex::default(),
            paused: Mutex::default(),
            reading_paused: tokio::sync::Mutex::default(),
            unreleased: Mutex::default(),
            calls: Mutex::default(),
            has_lost_claims: AtomicBool::default(),
            misfits: Mutex::default(),
            waiters,
            on_decision: Arc::new(move |id| deciding.wake(id)),
            alarm: Alarm::new(clock),
            suspects: Suspects::new(self.recovery_pause),
            tasks: Tasks::default(),
            runtime: Handle::current(),
            has_lost_runtime: AtomicBool::default(),
        });
        inner.read_paused().await?;
        let listening = Arc::downgrade(&inner);
        inner.journal.listen(Box::new(move |signal| {
            let inner = listening.upgrade();
            inner.is_some_and(|inner| inner.hear(signal))
        }));
        inner.tasks.spawn(Arc::clone(&inner).renew_leases());
        // A coordinator without sagas carries out commands only.
        if self.on_misfit == OnMisfit::Report && !inner.definitions.versions().is_empty() {
            inner.tasks.spawn(Arc::clone(&inner).check_in_background());
        }
        // A test that lets days pass in a moment would see nothing but these looks.
        #[cfg(feature = "metrics")]
        if !inner.definitions.versions().is_empty() && !inner.policies.clock.is_wound() {
            inner.tasks.spawn(Arc::clone(&inner).tell_what_is_open());
        }
        let guard = RuntimeGuard(Arc::clone(&inner));
        inner.tasks.spawn(Arc::clone(&inner).dispatch(guard));
        Ok(Coordinator {
            inner,
            owner: Arc::new(owner),
            trace: None,
        })
    }
}

/// The journal, which counts what is recorded through it.
#[cfg(feature = "metrics")]
fn counted(journal: Arc<dyn Journal>) -> Arc<dyn Journal> {
    crate::metrics::describe();
    Arc::new(Metered::new(journal))
}

/// The journal: nothing is counted.
#[cfg(not(feature = "metrics"))]
fn counted(journal: Arc<dyn Journal>) -> Arc<dyn Journal> {
    journal
}
