//! A layer that reads the keys of requests, for services over HTTP and gRPC.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::key::{ACTION_KEY, ActionKey, IDEMPOTENCY_KEY};
use crate::request::{KeyError, find};

/// Puts the [`Key`](crate::Key) and the [`ActionKey`] of a request into its extensions.
///
/// A request without a key passes, without the extension, unless the layer is [`required`](Self::required); so does one without an
/// action key, unless that is [required](Self::action_required). A header that is no key is answered here: with `400 Bad Request`, or
/// with the gRPC status `INVALID_ARGUMENT` if the request is gRPC.
///
/// ```
/// use saga_participant::{Key, KeyLayer};
/// # use http::{Request, Response};
/// # use tower::{ServiceBuilder, ServiceExt as _};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let service = ServiceBuilder::new()
///     .layer(KeyLayer::new().required())
///     .service_fn(async |request: Request<String>| {
///         let key: &Key = request.extensions().get().expect("it is required");
///         Ok::<_, std::convert::Infallible>(Response::new(key.to_string()))
///     });
/// let request = Request::builder().header("idempotency-key", "order-17/charge/0");
/// let response = service.oneshot(request.body(String::new())?).await?;
/// assert_eq!(response.body(), "order-17/charge/0");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct KeyLayer {
    key: HeaderName,
    action_key: HeaderName,
    required: bool,
    action_required: bool,
}

/// The service that a [`KeyLayer`] makes.
#[derive(Debug, Clone)]
pub struct KeyService<S> {
    service: S,
    layer: KeyLayer,
}

pin_project! {
    /// The response of a [`KeyService`].
    #[derive(Debug)]
    pub struct KeyFuture<F> {
        #[pin]
        response: Answer<F>,
    }
}

pin_project! {
    #[project = Projected]
    #[derive(Debug)]
    enum Answer<F> {
        Service { #[pin] future: F },
        Rejection { error: KeyError, is_grpc: bool },
    }
}

impl KeyLayer {
    /// A layer that reads the headers [`IDEMPOTENCY_KEY`] and [`ACTION_KEY`].
    #[must_use]
    pub fn new() -> Self {
        Self {
            key: HeaderName::from_static(IDEMPOTENCY_KEY),
            action_key: HeaderName::from_static(ACTION_KEY),
            required: false,
            action_required: false,
        }
    }

    /// Reads the key from another header.
    #[must_use]
    pub fn header(mut self, name: HeaderName) -> Self {
        self.key = name;
        self
    }

    /// Reads the key of the request that is to be undone from another header.
    #[must_use]
    pub fn action_header(mut self, name: HeaderName) -> Self {
        self.action_key = name;
        self
    }

    /// Rejects a request without a key, so that each handler behind the layer finds a [`Key`](crate::Key). A request that undoes
    /// another one may have an action key only: put this around the handlers that read the key.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Rejects a request without an action key, so that each handler behind the layer finds an [`ActionKey`].
    #[must_use]
    pub fn action_required(mut self) -> Self {
        self.action_required = true;
        self
    }

    /// Puts the keys of a request into its extensions.
    fn read<B>(&self, request: &mut Request<B>) -> Result<(), KeyError> {
        let key = find(request.headers(), self.key.as_str())?;
        let action_key = find(request.headers(), self.action_key.as_str())?;
        let missing = |header: &HeaderName| Err(KeyError::Missing(header.to_string()));
        if self.required && key.is_none() {
            return missing(&self.key);
        }
        if self.action_required && action_key.is_none() {
            return missing(&self.action_key);
        }
        if let Some(key) = key {
            request.extensions_mut().insert(key);
        }
        if let Some(key) = action_key {
            request.extensions_mut().insert(ActionKey(key));
        }
        Ok(())
    }
}

impl Default for KeyLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for KeyLayer {
    type Service = KeyService<S>;

    fn layer(&self, service: S) -> KeyService<S> {
        KeyService {
            service,
            layer: self.clone(),
        }
    }
}

impl<S, B, R> Service<Request<B>> for KeyService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = KeyFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let response = match self.layer.read(&mut request) {
            Ok(()) => Answer::Service {
                future: self.service.call(request),
            },
            Err(error) => Answer::Rejection {
                error,
                is_grpc: is_grpc(&request),
            },
        };
        KeyFuture { response }
    }
}

impl<F, R, E> Future for KeyFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Default,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match self.project().response.project() {
            Projected::Service { future } => ready!(future.poll(cx)),
            Projected::Rejection { error, is_grpc } => Ok(rejection(error, *is_grpc)),
        })
    }
}

fn is_grpc<B>(request: &Request<B>) -> bool {
    let kind = request.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// The response to a request whose header is no key. It has no body, so that it fits every service.
fn rejection<R: Default>(error: &KeyError, is_grpc: bool) -> Response<R> {
    const INVALID_ARGUMENT: HeaderValue = HeaderValue::from_static("3");
    let mut response = Response::new(R::default());
    if is_grpc {
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-status", INVALID_ARGUMENT);
        // Its characters need no escapes: the header's name and our own words.
        if let Ok(message) = HeaderValue::try_from(error.to_string()) {
            headers.insert("grpc-message", message);
        }
    } else {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    response
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tower::{ServiceBuilder, ServiceExt as _};

    use super::*;
    use crate::key::Key;

    /// A service that says which keys it was given.
    async fn ask(layer: KeyLayer, headers: &[(&str, &str)]) -> Response<String> {
        let service = ServiceBuilder::new()
            .layer(layer)
            .service_fn(async |request: Request<()>| {
                let key = request.extensions().get::<Key>().map(Key::as_str);
                let action_key = request.extensions().get::<ActionKey>();
                let action_key = action_key.map(ActionKey::as_str);
                let keys = format!("{key:?} {action_key:?}");
                Ok::<_, Infallible>(Response::new(keys))
            });
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).expect("a request");
        let Ok(response) = service.oneshot(request).await;
        response
    }

    #[tokio::test]
    async fn keys_are_in_the_extensions() {
        let response = ask(KeyLayer::new(), &[]).await;
        assert_eq!(response.body(), "None None");
        let keys = [("idempotency-key", "key"), ("action-key", "action")];
        let response = ask(KeyLayer::new().required(), &keys).await;
        assert_eq!(response.body(), r#"Some("key") Some("action")"#);
        let layer = KeyLayer::new()
            .header(HeaderName::from_static("x-request-id"))
            .action_header(HeaderName::from_static("x-undoes"));
        let keys = [("x-request-id", "key"), ("x-undoes", "action")];
        let response = ask(layer, &keys).await;
        assert_eq!(response.body(), r#"Some("key") Some("action")"#);
    }

    #[tokio::test]
    async fn a_key_that_is_required_is_there() {
        let (key, action_key) = (("idempotency-key", "key"), ("action-key", "action"));
        let layer = || KeyLayer::new().required();
        let answers = [
            (layer(), key, Some(r#"Some("key") None"#)),
            (layer(), action_key, None),
            (
                KeyLayer::new().action_required(),
                action_key,
                Some(r#"None Some("action")"#),
            ),
            (KeyLayer::new().action_required(), key, None),
            (layer().action_required(), key, None),
            (layer().action_required(), action_key, None),
        ];
        for (layer, header, keys) in answers {
            let response = ask(layer, &[header]).await;
            let is_answered = response.status() == StatusCode::OK;
            assert_eq!(is_answered.then_some(&**response.body()), keys);
        }
    }

    #[tokio::test]
    async fn a_header_that_is_no_key_is_answered_here() {
        let response = ask(KeyLayer::new(), &[("idempotency-key", "a b")]).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        let response = ask(KeyLayer::new().required(), &[]).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);

        let grpc = [("content-type", "application/grpc")];
        let response = ask(KeyLayer::new().required(), &grpc).await;
        assert_eq!(response.status(), StatusCode::OK);
        let header = |name| response.headers().get(name).and_then(|it| it.to_str().ok());
        assert_eq!(header("grpc-status"), Some("3"));
        let message = "the header `idempotency-key` is missing";
        assert_eq!(header("grpc-message"), Some(message));
    }
}
