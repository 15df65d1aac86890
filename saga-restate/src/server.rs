//! The HTTP/2 server through which Restate calls sagas.
//!
//! It is not the SDK's, for the sake of long sagas. A replay is a stream of many small frames, and the HTTP/2 library
//! closes a connection on which more small frames wait to be read than its windows allow for: with windows of the
//! default size, a saga of 5,000 steps could not be replayed, and each try interrupted the other sagas on its connection.
//! With these windows, no number of frames is too large. And each request passes through an [`exchange`] on its way.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::graceful::GracefulShutdown;
use restate_sdk::endpoint::{Endpoint, ResponseBody};
use tokio::net::{TcpListener, TcpStream};

use crate::crash::CrashPoint;
use crate::exchange::{Answered, exchange};

/// The number of invocations on one connection at a time. Restate opens more connections for more.
const STREAMS: u32 = 200;

/// The bytes of one invocation that wait to be read. So a connection takes at most 25 MiB of memory.
const STREAM_WINDOW: u32 = 128 * 1024;

/// The largest window that HTTP/2 knows. Half of it is the number of bytes by which all frames that wait to be read may fall
/// short of 256 bytes each. Within the windows above they can't fall short of it: a frame has a message, which has a header
/// of 8 bytes.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// The time that the invocations under way have to end.
const GRACE: Duration = Duration::from_secs(10);

/// The pause after a connection that could not be accepted, since the next one may fail for the same reason.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stop` ends, then gives the invocations under way some time to end.
pub(crate) async fn serve(
    sagas: Sagas,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send,
) {
    let connections = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => serve_connection(sagas.clone(), &connections, stream, peer),
                Err(error) => {
                    tracing::warn!(target: "saga", %error, "connection not accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            () = &mut stop => break,
        }
    }
    if tokio::time::timeout(GRACE, connections.shutdown())
        .await
        .is_err()
    {
        tracing::warn!(target: "saga", "invocations still under way at the end");
    }
}

fn serve_connection(
    sagas: Sagas,
    connections: &GracefulShutdown,
    stream: TcpStream,
    peer: SocketAddr,
) {
    let connection = http2::Builder::new(TokioExecutor::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .serve_connection(TokioIo::new(stream), sagas);
    let connection = connections.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::warn!(target: "saga", %peer, %error, "connection broken");
        }
    });
}

/// The sagas that answer requests.
#[derive(Clone)]
pub(crate) struct Sagas {
    pub(crate) endpoint: Endpoint,
    pub(crate) patience: Duration,
    pub(crate) crash: CrashPoint,
}

impl Service<Request<Incoming>> for Sagas {
    type Response = Response<Answered<ResponseBody>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let crash = self.crash.clone();
        let answer = exchange(request, self.patience, crash, |request| {
            self.endpoint.handle(request)
        });
        ready(Ok(answer))
    }
}
