//! A gRPC server as each service runs it: with a health check, a log line per call, and calls that cannot take the
//! process down.

use std::any::Any;
use std::convert::Infallible;
use std::time::Duration;

use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::NamedService;
use tonic::service::{Routes, RoutesBuilder};
use tonic::transport::server::{Server as Transport, TcpIncoming};
use tonic::{Code, Status};
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::trace::TraceLayer;
use tracing::{Span, field, info_span};

use crate::traces;

/// The services that one process offers.
#[derive(Debug)]
pub struct Server {
    routes: RoutesBuilder,
    health: HealthReporter,
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// A server with nothing but its health check.
    #[must_use]
    pub fn new() -> Self {
        let (health, checks) = health_reporter();
        let mut routes = Routes::builder();
        routes.add_service(checks);
        Self { routes, health }
    }

    /// Offers a service, and reports it as healthy.
    #[must_use]
    pub async fn offer<S>(mut self, service: S) -> Self
    where
        S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        self.routes.add_service(service);
        self.health.set_serving::<S>().await;
        self
    }

    /// Serves until `stop` is ready; then takes no new call and lets those under way end.
    ///
    /// # Errors
    /// When the transport fails.
    pub async fn run(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
    ) -> Result<(), tonic::transport::Error> {
        let Self { routes, health } = self;
        let calls = TraceLayer::new_for_grpc()
            .make_span_with(call)
            .on_request(())
            .on_response(record_code)
            .on_eos(())
            .on_failure(());
        Transport::builder()
            .layer(calls)
            .layer(CatchPanicLayer::custom(internal))
            .add_routes(routes.routes())
            .serve_with_incoming_shutdown(
                TcpIncoming::from(listener).with_nodelay(Some(true)),
                async {
                    stop.await;
                    health
                        .set_service_status("", ServingStatus::NotServing)
                        .await;
                },
            )
            .await
    }
}

/// The span of a call. Its log line comes when it closes: with a code, or without one when the caller did not wait.
fn call(request: &http::Request<Body>) -> Span {
    let call = info_span!("call", method = request.uri().path(), code = field::Empty);
    traces::received(&call, request.headers());
    call
}

fn record_code<B>(answer: &http::Response<B>, _latency: Duration, call: &Span) {
    let code = Status::from_header_map(answer.headers()).map_or(Code::Ok, |status| status.code());
    call.record("code", field::debug(code));
}

/// What a caller hears of a panic. What it said goes to the log, by the panic hook.
fn internal(_panic: Box<dyn Any + Send>) -> http::Response<Body> {
    Status::internal("the service failed; its log says where").into_http()
}
