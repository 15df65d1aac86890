//! The frame of each page, and the small parts that several pages have.

use std::convert::Infallible;
use std::time::SystemTime;

use axum::extract::{FromRequestParts, OriginalUri};
use axum::http::request::Parts;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};
use saga_runtime::journal::to_millis;
use saga_runtime::operator::{SagaSummary, Utc};

use crate::form::encoded;

/// The path at which the console is mounted, without a slash at its end.
pub(crate) struct Base(String);

impl Base {
    /// `whole` is the path of the request, `inner` the part of it that the console sees.
    pub(crate) fn new(whole: &Uri, inner: &Uri) -> Self {
        let whole = whole.path();
        let base = whole.strip_suffix(inner.path()).unwrap_or(whole);
        Self(base.trim_end_matches('/').to_owned())
    }

    /// The address of a page of the console.
    pub(crate) fn to(&self, path: &str) -> String {
        format!("{}/{path}", self.0)
    }

    /// The address of the overview.
    pub(crate) fn home(&self) -> String {
        if self.0.is_empty() {
            "/".to_owned()
        } else {
            self.0.clone()
        }
    }

    /// The address of a saga.
    pub(crate) fn saga(&self, id: &str) -> String {
        self.to(&format!("saga/{}", encoded(id)))
    }

    /// The address of the sagas that a filter means.
    pub(crate) fn sagas(&self, filter: &str) -> String {
        self.to(&format!("sagas?q={}", encoded(filter)))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Base {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let whole = parts.extensions.get::<OriginalUri>();
        let whole = whole.map_or(&parts.uri, |OriginalUri(whole)| whole);
        Ok(Self::new(whole, &parts.uri))
    }
}

/// A page. With `live`, the address of its news, it follows the journal.
pub(crate) fn page(base: &Base, title: &str, live: Option<&str>, body: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Sagas" }
                link rel="stylesheet" href=(base.to("style.css"));
                link rel="icon" href="data:,";
                script src=(base.to("live.js")) defer {}
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                header {
                    strong { "Sagas" }
                    nav aria-label="Pages" {
                        a href=(base.home()) { "Overview" } " · "
                        a href=(base.to("sagas")) { "List" } " · "
                        a href=(base.to("definitions")) { "Definitions" }
                    }
                    @if live.is_some() { span.live role="status" {} }
                }
                main id="content" {
                    @match live {
                        Some(news) => div data-live=(news) { (body) },
                        None => (body),
                    }
                }
            }
        }
    };
    let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (kind, page.into_string()).into_response()
}

/// A time, and how long ago it was.
pub(crate) fn time(millis: u64) -> Markup {
    let utc = Utc::from_millis(millis).to_string();
    let now = to_millis(SystemTime::now());
    let words = if millis > now {
        format!("in {}", span(millis - now))
    } else {
        format!("{} ago", span(now - millis))
    };
    html! { time datetime=(utc) title=(utc) { (words) } }
}

/// A duration in its largest unit.
pub(crate) fn span(millis: u64) -> String {
    let seconds = millis / 1000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// The state of a saga as a badge.
pub(crate) fn state(state: &str) -> Markup {
    html! { span class={ "state " (state) } { (state) } }
}

/// A table of sagas.
pub(crate) fn table(base: &Base, sagas: &[SagaSummary]) -> Markup {
    html! {
        div.wide {
            table.list {
                thead { tr { th { "Saga" } th { "Definition" } th { "State" } th { "Started" } th { "Trouble" } } }
                tbody {
                    @for saga in sagas {
                        tr {
                            td { a href=(base.saga(&saga.id)) { (saga.id) } }
                            td { (saga.name) @if saga.version != 1 { " v" (saga.version) } }
                            td {
                                (state(&saga.state))
                                @if saga.state == "waiting" && !saga.condition.is_empty() { " " span.quiet { (saga.condition) } }
                                @if saga.paused.is_some() { " " span.quiet { "(paused)" } }
                            }
                            td { (time(saga.started_at)) }
                            td {
                                @if let Some(trouble) = &saga.trouble {
                                    @if !trouble.steps.is_empty() { b { (trouble.steps.join(", ")) } ": " }
                                    (trouble.message)
                                    @if let Some(attempts) = trouble.attempts { span.quiet { " (" (attempts) " attempts)" } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The fields that each command has: the token of the form, the reason, the name of the operator.
pub(crate) fn reason_fields(form_token: &str, by: &str) -> Markup {
    html! {
        input type="hidden" name="form" value=(form_token);
        label { "Reason" input name="reason" required maxlength="1000" autocomplete="off"; }
        label { "Your name" input name="by" required maxlength="100" value=(by) autocomplete="username"; }
    }
}
