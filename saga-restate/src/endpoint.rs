//! A process that runs sagas for Restate.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use restate_sdk::endpoint as sdk;
use restate_sdk::service::ServiceDefinition;
use saga_runtime::coordinator::Registrable;
use saga_runtime::engine::{Escaped, Step, StepFunction};
use saga_runtime::meta::{Policy, RetryPolicy};
use saga_runtime::trace::TracePropagator;
use saga_runtime::{Saga, SagaId};
use socket2::SockRef;
use thiserror::Error;
use tokio::net::TcpListener;

use crate::crash::CrashPoint;
use crate::form::Form;
use crate::invocation::Ended;
use crate::server::{self, Sagas};
use crate::settings::{Propagator, Settings};
use crate::workflow::workflow;

/// Runs sagas for Restate, over HTTP/2.
///
/// Restate has to be told the address once: `restate deployments register http://localhost:9080`. Any number of
/// processes may be behind the same address. `GET /health` answers 200, over HTTP/2 like every request here; with an
/// [identity key](Self::identity_key) only if the request is signed.
pub struct Endpoint<S: ?Sized> {
    services: Arc<S>,
    builder: sdk::Builder,
    settings: Settings,
    /// The durable names of the steps of all registered sagas.
    steps: BTreeSet<&'static str>,
    /// The sagas, which are bound once the settings are known.
    sagas: Vec<Bind>,
    /// Of a test.
    crash: CrashPoint,
}

/// Binds one saga with the settings of its endpoint.
type Bind = Box<dyn FnOnce(&Arc<Settings>) -> ServiceDefinition + Send>;

impl<S: ?Sized> std::fmt::Debug for Endpoint<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").finish_non_exhaustive()
    }
}

/// The reason why an endpoint can't serve.
#[derive(Debug, Error)]
#[error("can't listen on {address}")]
#[non_exhaustive]
pub struct ServeError {
    /// The address.
    pub address: SocketAddr,
    source: std::io::Error,
}

/// The reason why a text is not the public key of a Restate server.
#[derive(Debug, Error)]
#[error("not a Restate identity key: {0}")]
pub struct InvalidIdentityKey(String);

/// A policy is set for a step that no registered saga calls.
#[derive(Debug, Error)]
#[error("a policy is set for the step `{}`, but no registered saga calls one of this name: the steps are {}", Escaped(.step), .known.join(", "))]
#[non_exhaustive]
pub struct UnknownStep {
    /// The durable name that was given.
    pub step: String,
    /// The durable names of the steps of all sagas that are registered so far, in order.
    pub known: Vec<&'static str>,
}

impl<S: Send + Sync + 'static> Endpoint<S> {
    /// An endpoint whose sagas use these services.
    #[must_use = "nothing runs until `serve` is called"]
    pub fn builder(services: S) -> Self {
        Self::shared(Arc::new(services))
    }
}

impl<S: ?Sized + Send + Sync + 'static> Endpoint<S> {
    /// An endpoint whose sagas use these services.
    #[must_use = "nothing runs until `serve` is called"]
    pub fn shared(services: Arc<S>) -> Self {
        Self {
            services,
            builder: sdk::Endpoint::builder(),
            settings: Settings::default(),
            steps: BTreeSet::new(),
            sagas: Vec::new(),
            crash: CrashPoint::default(),
        }
    }

    /// Adds a saga that it runs.
    ///
    /// # Panics
    /// If two different steps of the saga have the same durable name: their entries could not be told apart.
    #[must_use = "nothing runs until `serve` is called"]
    pub fn register<G: Registrable<S>>(mut self) -> Self {
        refuse_shared_name::<G>();
        self.steps.extend(G::shape().steps().map(|step| step.name));
        let services = Arc::clone(&self.services);
        let bind = move |settings: &Arc<Settings>| workflow::<S, G>(services, settings, None);
        self.sagas.push(Box::new(bind));
        self
    }

    /// Adds a saga that it runs, and calls `on_end` with its typed end, for logs and numbers. The call is made in the
    /// process in which the saga ends; more than once if that process ends at the same time.
    ///
    /// # Panics
    /// As [`register`](Self::register).
    #[must_use = "nothing runs until `serve` is called"]
    pub fn register_watched<G: Registrable<S>>(
        mut self,
        on_end: impl Fn(&SagaId, Ended<G>) + Send + Sync + 'static,
    ) -> Self {
        refuse_shared_name::<G>();
        self.steps.extend(G::shape().steps().map(|step| step.name));
        let services = Arc::clone(&self.services);
        let on_end = Arc::new(on_end);
        let bind =
            move |settings: &Arc<Settings>| workflow::<S, G>(services, settings, Some(on_end));
        self.sagas.push(Box::new(bind));
        self
    }

    /// Changes the time limits and retries of a step, over all options of the step and of its sagas, as
    /// `saga_runtime::coordinator::Builder::policy` does: `policy(charge, |policy| policy.timeout(settings.charge_timeout))`.
    ///
    /// Sagas in flight replay their attempts: for fewer attempts than before, register the service as a new deployment with the server,
    /// as for changed code. Other numbers change at any time.
    ///
    /// # Errors
    /// If no saga that is registered so far calls the step.
    pub fn policy<I, F: StepFunction<I, Step: Step<Services = S>>>(
        mut self,
        step: F,
        change: impl FnOnce(Policy) -> Policy,
    ) -> Result<Self, UnknownStep> {
        let step = step.meta();
        self.check_known(step.name)?;
        self.settings.overrides.change(step, change);
        Ok(self)
    }

    /// Sets the parts of a policy that `policy` has, for the step with this durable name: [`policy`](Self::policy) for names that come
    /// from a file.
    ///
    /// # Errors
    /// If no step of a saga that is registered so far has this name.
    pub fn policy_of(
        mut self,
        step: impl Into<String>,
        policy: Policy,
    ) -> Result<Self, UnknownStep> {
        let step = step.into();
        self.check_known(&step)?;
        self.settings.overrides.set(step, policy);
        Ok(self)
    }

    fn check_known(&self, step: &str) -> Result<(), UnknownStep> {
        if self.steps.contains(step) {
            return Ok(());
        }
        Err(UnknownStep {
            step: step.to_owned(),
            known: self.steps.iter().copied().collect(),
        })
    }

    /// Sets how long a saga waits in memory, for a time or an event, before it is suspended. A suspended saga takes no slot
    /// of the server and no task here. Default: one second.
    #[must_use = "nothing runs until `serve` is called"]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.settings.patience = patience;
        self
    }

    /// Sets the time limit of one attempt, for steps and compensations without a `timeout` of their own. Default: one
    /// minute. The server ends an invocation that is silent for twice as long as the longest attempt may take, and a
    /// minute more.
    #[must_use = "nothing runs until `serve` is called"]
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.settings.attempt_timeout = timeout;
        self
    }

    /// Sets the size limit of a recorded output or result, in bytes of JSON. Default: 8 MiB. The server has a limit of its own
    /// for one message.
    #[must_use = "nothing runs until `serve` is called"]
    pub fn payload_limit(mut self, bytes: usize) -> Self {
        self.settings.payload_limit = bytes;
        self
    }

    /// Sets how often one attempt may end its process. Then Restate pauses the saga, until an operator resumes it. Default: 10.
    #[must_use = "nothing runs until `serve` is called"]
    pub fn max_recoveries(mut self, max_recoveries: u32) -> Self {
        self.settings.max_recoveries = max_recoveries.max(1);
        self
    }

    /// Sets how long compensations are attempted that have no `compensation(retry(…))` of their own, before an operator has to
    /// decide. Default: 24 hours, with waits that grow to five minutes. One that keeps failing holds up the others for its first
    /// five attempts; then they run, and it is tried again behind them. Resolvers and steps in doubt are attempted five times.
    #[must_use = "nothing runs until `serve` is called"]
    pub fn compensation_retry(mut self, policy: RetryPolicy) -> Self {
        self.settings.compensation_retry = policy;
        self
    }

    /// Lets a saga that can't be undone end as a failed invocation, with the report of what is left, after five attempts of each
    /// compensation. Without this it is stuck: it waits for the [decision of an operator](crate::Client::operate). A saga keeps
    /// the form with which it began.
    #[must_use = "nothing runs until `serve` is called"]
    pub fn without_operators(mut self) -> Self {
        self.settings.form = Form::NameInKeys;
        self
    }

    /// Sets how the spans of sagas are kept in the traces of the service. Without it, steps get the context of the request that has
    /// started the saga, if it had one. Default: none. The guide has one for OpenTelemetry.
    #[must_use = "nothing runs until `serve` is called"]
    pub fn trace_propagator(mut self, propagator: impl TracePropagator) -> Self {
        self.settings.propagator = Some(Propagator(Arc::new(propagator)));
        self
    }

    /// Sets how long Restate keeps a saga that has ended: its result or report, its input, and its id, under which a second
    /// start finds it. Default: 30 days. After that the id is free, and a saga that is started under it asks for its steps
    /// under the same keys again: keep sagas for longer than any start may be repeated, and reports for as long as an audit
    /// needs them.
    #[must_use = "nothing runs until `serve` is called"]
    pub fn retention(mut self, retention: Duration) -> Self {
        self.settings.retention = retention;
        self
    }

    /// Ends one of its sagas in the middle when a test says so.
    #[cfg(feature = "testing")]
    #[must_use = "nothing runs until `serve` is called"]
    pub fn crashes(mut self, crash: &CrashPoint) -> Self {
        self.crash = crash.clone();
        self
    }

    /// Sets how long Restate keeps the journal of a saga that has ended: each attempt with its output, for the web UI.
    /// Default: the setting of the server, which is one day unless it was changed.
    #[must_use = "nothing runs until `serve` is called"]
    pub fn journal_retention(mut self, retention: Duration) -> Self {
        self.settings.journal_retention = Some(retention);
        self
    }

    /// Accepts only requests that are signed by the Restate server with this public key, `publickeyv1_…`. Several keys may be
    /// given.
    ///
    /// # Errors
    /// If it is no key.
    pub fn identity_key(mut self, key: &str) -> Result<Self, InvalidIdentityKey> {
        let builder = self.builder.identity_key(key);
        self.builder = builder.map_err(|error| InvalidIdentityKey(error.to_string()))?;
        Ok(self)
    }

    /// Serves on this address until the process is interrupted or terminated (`SIGINT`, `SIGTERM`), and stops as
    /// [`serve_until`](Self::serve_until) does.
    ///
    /// # Errors
    /// If it can't listen there.
    pub async fn serve(self, address: SocketAddr) -> Result<(), ServeError> {
        // A caller that sees the open port may tell it to stop.
        let interrupted = interrupted();
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|source| ServeError { address, source })?;
        self.serve_until(listener, interrupted).await;
        Ok(())
    }

    /// Serves until `stop` ends. Then it takes no more requests, and gives the requests under way ten seconds. A saga
    /// that does not end by then is handed back when the process ends: Restate continues it here or elsewhere, and only
    /// the attempt that was cut off is made again, under its key. No step is compensated because of it.
    pub async fn serve_until(self, listener: TcpListener, stop: impl Future<Output = ()> + Send) {
        // Otherwise an entry of the journal may wait for 40 ms, until the entry before it is acknowledged. The
        // connections have this setting from the listener; without it they are slower and no more.
        let _ = SockRef::from(&listener).set_tcp_nodelay(true);
        let patience = self.settings.patience;
        let settings = Arc::new(self.settings);
        let sagas = self.sagas.into_iter().map(|bind| bind(&settings));
        let sagas = Sagas {
            endpoint: sagas.fold(self.builder, sdk::Builder::bind).build(),
            patience,
            crash: self.crash,
        };
        server::serve(sagas, listener, stop).await;
    }
}

/// Panics if two different steps of the saga have one durable name.
fn refuse_shared_name<G: Saga>() {
    if let Some(shared) = G::shape().shared_name() {
        let (saga, name, [one, other]) = (G::META.name, shared.name, shared.paths);
        panic!(
            "in the saga `{saga}`, `{one}` and `{other}` are both called `{name}`: \
             give one of them another name with `name = \"…\"`"
        );
    }
}

/// Ends when this process is asked to end, from now on.
#[cfg(unix)]
fn interrupted() -> impl Future<Output = ()> + Send {
    use tokio::signal::unix::{Signal, SignalKind, signal};

    async fn comes(signal: std::io::Result<Signal>) {
        match signal {
            Ok(mut signal) => drop(signal.recv().await),
            // Without signals, it serves for ever.
            Err(_) => std::future::pending().await,
        }
    }
    let signals = [SignalKind::interrupt(), SignalKind::terminate()];
    let [interrupt, terminate] = signals.map(signal);
    async move {
        tokio::select! {
            () = comes(interrupt) => {}
            () = comes(terminate) => {}
        }
    }
}

/// Ends when this process is asked to end.
#[cfg(not(unix))]
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
