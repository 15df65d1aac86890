//! An endpoint on a runtime of its own, which can end as a process does: on request, or at once.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use saga_restate::Endpoint;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::process::free_address;

/// Longer than anything needs to be dropped.
const PATIENCE: Duration = Duration::from_mins(2);

/// It vanishes when this is dropped.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    runtime: Option<Runtime>,
}

impl Service {
    /// Serves somewhere.
    pub(crate) async fn start<S: Send + Sync + 'static>(endpoint: Endpoint<S>) -> Self {
        Self::at(free_address(), endpoint).await
    }

    /// Serves at this address.
    pub(crate) async fn at<S: Send + Sync + 'static>(
        address: SocketAddr,
        endpoint: Endpoint<S>,
    ) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let (listens, listening) = tokio::sync::oneshot::channel();
        let serving = runtime.spawn(async move {
            let listener = listener(address).await;
            let _ = listens.send(());
            endpoint.serve_until(listener, stopped.cancelled()).await;
        });
        listening.await.expect("it listens");
        Self {
            address,
            stop,
            serving,
            runtime: Some(runtime),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Asks it to stop.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until it has stopped. Then its tasks end, as in a process whose `main` has returned.
    pub(crate) async fn ends(mut self) {
        (&mut self.serving).await.expect("it does not panic");
        self.vanishes().await;
    }

    /// Ends at once, wherever its sagas are.
    pub(crate) async fn vanishes(mut self) {
        let runtime = self.runtime.take().expect("it is there");
        let gone = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(PATIENCE));
        gone.await.expect("it does not panic");
    }
}

/// Listens at this address. A child process of another test that has not begun its program may still have the socket of the service
/// before.
async fn listener(address: SocketAddr) -> TcpListener {
    let begun = Instant::now();
    loop {
        match TcpListener::bind(address).await {
            Err(error) if error.kind() == ErrorKind::AddrInUse && begun.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            listener => return listener.expect("it is free"),
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
