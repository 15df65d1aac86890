//! A process that runs sagas for Restate.

use std::net::SocketAddr;
use std::sync::Arc;

use restate_sdk::endpoint as sdk;
use restate_sdk::http_server::HttpServer;
use saga_runtime::coordinator::Registrable;
use saga_runtime::{Saga, SagaId};
use socket2::SockRef;
use thiserror::Error;
use tokio::net::TcpListener;

use crate::invocation::Ended;
use crate::workflow::workflow;

/// Runs sagas for Restate, over HTTP/2.
///
/// Restate has to be told the address once: `restate deployments register http://localhost:9080`. Any number of
/// processes may be behind the same address. `GET /health` answers 200, over HTTP/2 like every request here; with an
/// [identity key](Self::identity_key) only if the request is signed.
pub struct Endpoint<S: ?Sized> {
    services: Arc<S>,
    builder: sdk::Builder,
}

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
        }
    }

    /// Adds a saga that it runs.
    ///
    /// # Panics
    /// If two different steps of the saga have the same durable name: their entries could not be told apart.
    #[must_use = "nothing runs until `serve` is called"]
    pub fn register<G: Registrable<S>>(mut self) -> Self {
        refuse_shared_name::<G>();
        let definition = workflow::<S, G>(Arc::clone(&self.services), None);
        self.builder = self.builder.bind(definition);
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
        let definition = workflow::<S, G>(Arc::clone(&self.services), Some(Arc::new(on_end)));
        self.builder = self.builder.bind(definition);
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
        HttpServer::new(self.builder.build())
            .serve_with_cancel(listener, stop)
            .await;
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
