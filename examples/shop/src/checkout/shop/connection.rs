//! The connection to a service: over the network, or to a service in this process.

use std::error::Error;

use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tower::util::{BoxCloneSyncService, ServiceExt as _};

use crate::traces;

/// A connection to a gRPC service.
pub type Connection = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, Status>;

/// The connection over this channel, or to this server in the same process. Its requests carry the trace of the step that sends them.
#[must_use]
pub fn connection<S>(service: S) -> Connection
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Error: Error + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let service = service.map_err(|error| Status::from_error(Box::new(error)));
    Connection::new(service.map_request(traces::sent))
}
