//! The parts of answers that pages and the JSON interface share: states, cookies, refusals.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};
use saga_runtime::operator::Refusal;
use serde::Serialize;

/// The cookie that has the token.
pub(crate) const TOKEN_COOKIE: &str = "saga_token";

/// The status of a refusal.
pub(crate) fn status(refusal: &Refusal) -> StatusCode {
    match &*refusal.code {
        "unknown" => StatusCode::NOT_FOUND,
        "read_only" => StatusCode::FORBIDDEN,
        "bad_request" | "no_reason" => StatusCode::BAD_REQUEST,
        "journal" | "shutting_down" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::CONFLICT,
    }
}

/// A refusal as JSON.
pub(crate) fn refused(status: StatusCode, refusal: &Refusal) -> Response {
    json(status, refusal)
}

/// The refusal of a command for which the budget has no room.
pub(crate) fn too_many() -> Refusal {
    let message = "too many commands in a short time: wait a moment";
    Refusal::new("too_many", message)
}

/// An answer that says when to ask again, in whole seconds.
pub(crate) fn retry_after(mut answer: Response, wait: Duration) -> Response {
    let seconds = wait.as_millis().div_ceil(1000).max(1);
    if let Ok(seconds) = HeaderValue::from_str(&seconds.to_string()) {
        answer.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    answer
}

/// A value as JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_string(value) {
        Ok(text) => (status, [(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A header, if it is a text.
pub(crate) fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// The value of a cookie that [`with_cookie`] has set. Over HTTP/2 cookies may stand in several headers.
pub(crate) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let headers = headers.get_all(header::COOKIE).iter();
    let mut cookies = headers.flat_map(|header| header.as_bytes().split(|byte| *byte == b';'));
    let value = cookies.find_map(|cookie| {
        let cookie = cookie.trim_ascii_start().strip_prefix(name.as_bytes())?;
        cookie.strip_prefix(b"=")
    })?;
    let value = percent_decode(value).decode_utf8().ok()?;
    Some(value.into_owned())
}

/// An answer that sets a cookie which scripts can't read, and which no other site's request carries. Any text is a value.
pub(crate) fn with_cookie(mut answer: Response, name: &str, value: &str) -> Response {
    let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        answer.headers_mut().append(header::SET_COOKIE, cookie);
    }
    answer
}

/// An answer that leads to another page.
pub(crate) fn see_other(to: &str) -> Response {
    let mut answer = Body::empty().into_response();
    *answer.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(to) = HeaderValue::from_str(to) {
        answer.headers_mut().insert(header::LOCATION, to);
    }
    answer
}
