//! Requests over plain HTTP.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use restate_sdk::ingress::RequestExecutor;
use thiserror::Error;

/// Plain HTTP, with connections that are used again.
#[derive(Debug)]
pub struct Http(Client<HttpConnector, Full<Bytes>>);

impl Default for Http {
    fn default() -> Self {
        let mut connector = HttpConnector::new();
        // Otherwise the end of a request may wait for 40 ms until its beginning is acknowledged.
        connector.set_nodelay(true);
        Self(Client::builder(TokioExecutor::new()).build(connector))
    }
}

/// The reason why a request over HTTP has no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HttpError {
    /// It could not be sent, or nothing came back.
    #[error("no answer")]
    NoAnswer(#[from] hyper_util::client::legacy::Error),
    /// The answer was cut off.
    #[error("the answer was cut off")]
    CutOff(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl RequestExecutor for Http {
    type Error = HttpError;

    async fn execute(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let response = self.0.request(request.map(Full::new)).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await;
        let body = body.map_err(|error| HttpError::CutOff(error.into()))?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}
