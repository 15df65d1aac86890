//! The checks before each request, and the headers of each answer.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use saga_runtime::operator::Refusal;

use crate::answers::{TOKEN_COOKIE, cookie, refused, retry_after, text, too_many};
use crate::desk::Desk;
use crate::pages;

const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // Not `no-referrer`: forms would then have no origin.
    (header::REFERRER_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

/// Checks a request, and adds the headers that keep a page from doing anything else than a page of a console does.
pub(crate) async fn guard(State(desk): State<Arc<Desk>>, request: Request, next: Next) -> Response {
    let mut answer = match check(&desk, &request) {
        Ok(()) => next.run(request).await,
        Err(answer) => *answer,
    };
    for (name, value) in HEADERS {
        let value = HeaderValue::from_static(value);
        answer.headers_mut().insert(name, value);
    }
    answer
}

fn check(desk: &Desk, request: &Request) -> Result<(), Box<Response>> {
    let (uri, headers) = (request.uri(), request.headers());
    let is_api = uri.path().starts_with("/api/");
    let is_login = uri.path() == "/login";
    let is_asset = matches!(uri.path(), "/style.css" | "/live.js");
    let refuse = |status: StatusCode, code: &str, message: &str| {
        let refusal = Refusal::new(code, message);
        Err(Box::new(if is_api {
            refused(status, &refusal)
        } else {
            pages::refused(status, &refusal)
        }))
    };
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if !is_read {
        if !is_same_origin(request) {
            let message = "the request comes from another site";
            return refuse(StatusCode::FORBIDDEN, "cross_site", message);
        }
        if let Err(wait) = desk.take_command() {
            let Refusal { code, message, .. } = too_many();
            return refuse(StatusCode::TOO_MANY_REQUESTS, &code, &message)
                .map_err(|answer| Box::new(retry_after(*answer, wait)));
        }
    }
    if is_login || is_asset {
        return Ok(());
    }
    let token = bearer(headers).or_else(|| cookie(headers, TOKEN_COOKIE).map(String::into_bytes));
    if !desk.admits(token.as_deref()) {
        if !is_api && is_read {
            return Err(Box::new(pages::login(uri, request.extensions(), false)));
        }
        let message = "this needs a token: send it as `Authorization: Bearer …`";
        return refuse(StatusCode::UNAUTHORIZED, "no_token", message);
    }
    if !is_read && !desk.is_writable {
        let message = "this console is read-only: the service has not made it writable";
        return refuse(StatusCode::FORBIDDEN, "read_only", message);
    }
    if is_api && !is_read && !is_json(headers) {
        let message = "send `Content-Type: application/json`";
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "no_json", message);
    }
    Ok(())
}

fn bearer(headers: &HeaderMap) -> Option<Vec<u8>> {
    let given = headers.get(header::AUTHORIZATION)?.as_bytes();
    given.strip_prefix(b"Bearer ").map(<[u8]>::to_vec)
}

/// The host that a request is for, with its port. Over HTTP/2 it stands in the address of the request.
pub(crate) fn host(request: &Request) -> Option<&str> {
    let host = text(request.headers(), header::HOST);
    host.or_else(|| request.uri().authority().map(Authority::as_str))
}

/// A browser says from which origin a form or a script sends. A program says nothing.
fn is_same_origin(request: &Request) -> bool {
    let headers = request.headers();
    if text(headers, HeaderName::from_static("sec-fetch-site"))
        .is_some_and(|site| !matches!(site, "same-origin" | "none"))
    {
        return false;
    }
    let Some(origin) = text(headers, header::ORIGIN) else {
        return !headers.contains_key(header::ORIGIN);
    };
    let origin: Result<Uri, _> = origin.parse();
    let host = host(request);
    origin.is_ok_and(|origin| origin.authority().map(Authority::as_str) == host && host.is_some())
}

fn is_json(headers: &HeaderMap) -> bool {
    text(headers, header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/json"))
}
