//! The list of sagas, with its filter in the address.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use maud::html;
use saga_runtime::operator::SagaList;

use crate::desk::Desk;
use crate::form::{Fields, encoded};
use crate::pages::failed;
use crate::pages::layout::{Base, page, table};

const SHORT: [(&str, &str); 8] = [
    ("All", ""),
    ("Stuck", "state=stuck"),
    ("Failing", "state=failing"),
    ("Queued", "state=queued"),
    ("Waiting for an event", "state=awaits_event"),
    ("Asleep", "state=awaits_time"),
    ("Unregistered", "state=unregistered"),
    ("Waiting for a day", "state=waiting age=1d"),
];

pub(crate) async fn list(State(desk): State<Arc<Desk>>, base: Base, uri: Uri) -> Response {
    let fields = Fields::of(&uri);
    let text = fields.get("q");
    let (found, error) = match fields.query() {
        Ok(query) => match desk.operator.list(&query).await {
            Ok(found) => (found, None),
            Err(refusal) => return failed(&base, &refusal),
        },
        Err(error) => (SagaList::default(), Some(error.to_string())),
    };
    // On demand only: to count a million takes longer than to list the first of them.
    let count = match fields.query() {
        Ok(query) if fields.get("count") == "yes" => match desk.operator.count(&query).await {
            Ok(count) => Some(count),
            Err(refusal) => return failed(&base, &refusal),
        },
        _ => None,
    };
    let body = html! {
        h1 { "Sagas" }
        form method="get" action=(base.to("sagas")) role="search" {
            div.row {
                label { "Filter" input name="q" value=(text) placeholder="state=stuck name=place_order id=order-" autocomplete="off"; }
                button { "Show" }
            }
        }
        p {
            @for (index, (label, filter)) in SHORT.iter().enumerate() {
                @if index > 0 { " · " }
                a href=(base.sagas(filter)) { (label) }
            }
            @if error.is_none() { " · " a href=(base.to(&format!("sagas?q={}&count=yes", encoded(text)))) { "Count these" } }
            @if desk.is_writable { " · " a href=(base.to(&format!("bulk?q={}", encoded(text)))) { "One command for all of these" } }
        }
        @if let Some(count) = count {
            p role="status" { b { (count) } @if count == 1 { " saga is like that." } @else { " sagas are like that." } }
        }
        @if let Some(error) = &error { p.message.bad role="alert" { (error) } }
        @else if found.sagas.is_empty() { p.quiet { "No saga is like that." } }
        @else { (table(&base, &found.sagas)) }
        @if let Some(next) = found.next {
            p { a href=(base.to(&format!("sagas?q={}&after={next}", encoded(text)))) rel="next" { "Older ones" } }
        }
    };
    let after = fields.get("after");
    let news = base.to(&format!(
        "live?q={}&after={}",
        encoded(text),
        encoded(after)
    ));
    page(&base, "List", Some(&news), &body)
}
