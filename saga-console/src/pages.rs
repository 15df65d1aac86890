//! The pages. Each works without JavaScript.

mod bulk;
mod definitions;
mod layout;
mod list;
mod login;
mod overview;
mod saga;

use std::sync::Arc;

use axum::Router;
use axum::extract::OriginalUri;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::html;
use saga_runtime::operator::Refusal;

use crate::answers::status;
use crate::desk::Desk;

pub(crate) use login::login;

use layout::{Base, page};

pub(crate) fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/", get(overview::overview))
        .route("/sagas", get(list::list))
        .route("/saga/{id}", get(saga::show).post(saga::command))
        .route(
            "/definitions",
            get(definitions::definitions).post(definitions::steer),
        )
        .route("/bulk", get(bulk::ask).post(bulk::run))
        .route("/login", post(login::log_in))
        .route("/style.css", get(style))
        .route("/live.js", get(script))
}

async fn style() -> Response {
    let style = include_str!("../assets/style.css");
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], style).into_response()
}

async fn script() -> Response {
    let script = include_str!("../assets/live.js");
    (
        [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")],
        script,
    )
        .into_response()
}

pub(crate) async fn not_found(OriginalUri(whole): OriginalUri, uri: Uri) -> Response {
    let base = Base::new(&whole, &uri);
    failed(&base, &Refusal::new("unknown", "there is no such page"))
}

/// A page without a way around, for a request that was refused before it reached a page.
pub(crate) fn refused(status: StatusCode, refusal: &Refusal) -> Response {
    let body = html! {
        (maud::DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { "Sagas" } }
            body { main { p { (refusal.message) } p { a href="" { "Back" } } } }
        }
    };
    (
        status,
        [(header::CONTENT_TYPE, "text/html; charset=utf-8")],
        body.into_string(),
    )
        .into_response()
}

/// The page for a question that was refused.
fn failed(base: &Base, refusal: &Refusal) -> Response {
    let body =
        html! { h1 { "That did not work" } p.message.bad role="alert" { (refusal.message) } };
    let mut answer = page(base, "Error", None, &body);
    *answer.status_mut() = status(refusal);
    answer
}
