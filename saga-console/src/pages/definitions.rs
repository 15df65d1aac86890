//! The definitions that the service has registered, with their pictures and their open sagas.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::html;
use saga_runtime::operator::{Outline, SagaCounts};

use crate::desk::Desk;
use crate::pages::failed;
use crate::pages::layout::{Base, page};
use crate::picture::picture;

pub(crate) async fn definitions(State(desk): State<Arc<Desk>>, base: Base) -> Response {
    let read = async { Ok((desk.operator.definitions().await?, desk.counts().await?)) };
    let (definitions, counts) = match read.await {
        Ok(read) => read,
        Err(refusal) => return failed(&base, &refusal),
    };
    let body = html! {
        h1 { "Definitions" }
        @if definitions.is_empty() {
            p.quiet { "The code of the sagas is not here: open the console of the service." }
        }
        @for outline in &definitions {
            section {
                h2 { (outline.name) @if outline.version != 1 { " v" (outline.version) } }
                p { a href=(base.sagas(&format!("name={}", outline.name))) { (open(outline, &counts)) " open sagas" } }
                div.wide { (picture(outline, &[])) }
            }
        }
    };
    page(&base, "Definitions", None, &body)
}

fn open(outline: &Outline, counts: &SagaCounts) -> u64 {
    let open = counts.open.iter();
    let open = open.filter(|open| open.name == outline.name && open.version == outline.version);
    open.map(|open| open.sagas).sum()
}
