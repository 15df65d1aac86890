//! Keys as arguments of axum's handlers, and errors as their responses.

use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;

use crate::error::Error;
use crate::key::{ActionKey, Key};
use crate::request::KeyError;

/// The key of the request, from its header [`IDEMPOTENCY_KEY`](crate::IDEMPOTENCY_KEY), or as a
/// [`KeyLayer`](https://docs.rs/saga-participant/latest/saga_participant/struct.KeyLayer.html) has found it.
impl<S: Sync> FromRequestParts<S> for Key {
    type Rejection = KeyError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, KeyError> {
        Self::of(&parts.headers, &parts.extensions)
    }
}

/// The key of the request that is to be undone, from the header [`ACTION_KEY`](crate::ACTION_KEY).
impl<S: Sync> FromRequestParts<S> for ActionKey {
    type Rejection = KeyError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, KeyError> {
        Self::of(&parts.headers, &parts.extensions)
    }
}

/// `400 Bad Request`, with the error's text.
impl IntoResponse for KeyError {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, self.to_string()).into_response()
    }
}

/// `400 Bad Request` for a text that is no key, `422 Unprocessable Content` for a key of another request,
/// `503 Service Unavailable` if the database failed, otherwise `500 Internal Server Error`. The text names no secret.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = match self {
            Self::InvalidKey(_) => StatusCode::BAD_REQUEST,
            Self::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Database(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unanswered | Self::Unreadable(_) | Self::Unrecordable(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        (status, self.to_string()).into_response()
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[tokio::test]
    async fn a_handler_is_given_the_keys() {
        let request = Request::new(());
        let (mut parts, ()) = request.into_parts();
        let missing = Key::from_request_parts(&mut parts, &()).await;
        let missing = missing.expect_err("no header").into_response();
        assert_eq!(missing.status(), StatusCode::BAD_REQUEST);

        let request = Request::builder().header("idempotency-key", "key");
        let request = request.header("action-key", "action").body(());
        let (mut parts, ()) = request.expect("a request").into_parts();
        let key = Key::from_request_parts(&mut parts, &()).await;
        assert_eq!(key.map(String::from).as_deref(), Ok("key"));
        let action = ActionKey::from_request_parts(&mut parts, &()).await;
        assert_eq!(action.map(|key| key.to_string()).as_deref(), Ok("action"));
    }

    #[test]
    fn an_error_has_a_status() {
        let status = |error: Error| error.into_response().status().as_u16();
        assert_eq!(status(Error::KeyReused), 422);
        assert_eq!(status(Error::Unanswered), 500);
        assert_eq!(status(Error::Database(sqlx::Error::PoolClosed)), 503);
        let invalid = Key::new("").expect_err("no key");
        assert_eq!(status(Error::InvalidKey(invalid)), 400);
    }
}
