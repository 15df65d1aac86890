//! The definitions that the service has registered or that open sagas have: pictures, open sagas, and pauses.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use maud::{Markup, html};
use saga_runtime::operator::{Outline, PauseView, Refusal, SagaCounts};

use crate::answers::{see_other, status, with_cookie};
use crate::desk::Desk;
use crate::form::Fields;
use crate::pages::failed;
use crate::pages::layout::{Base, page, reason_fields, time};
use crate::pages::saga::{NAME_COOKIE, check_form, operator_of};
use crate::picture::picture;

pub(crate) async fn definitions(
    State(desk): State<Arc<Desk>>,
    base: Base,
    headers: HeaderMap,
) -> Response {
    draw(&desk, &base, &operator_of(&headers), None).await
}

/// Pauses or resumes a definition.
pub(crate) async fn steer(State(desk): State<Arc<Desk>>, base: Base, body: Bytes) -> Response {
    let fields = Fields::parse(&body);
    let (name, by) = (fields.get("name"), fields.get("by"));
    let answer = async {
        check_form(&desk, &fields)?;
        match fields.get("command") {
            "pause" => desk.pause(name, fields.get("reason"), by).await,
            "resume" => desk.resume(name, by).await,
            _ => Err(Refusal::new("bad_request", "there is no such command")),
        }
    };
    match answer.await {
        Ok(_) => {
            let to = see_other(&base.to("definitions"));
            with_cookie(to, NAME_COOKIE, by)
        }
        Err(refusal) => draw(&desk, &base, by, Some(&refusal)).await,
    }
}

async fn draw(desk: &Desk, base: &Base, by: &str, refusal: Option<&Refusal>) -> Response {
    let read = async {
        let outlines = desk.operator.definitions().await?;
        let paused = desk.operator.paused().await?;
        Ok((outlines, desk.counts().await?, paused))
    };
    let (outlines, counts, paused) = match read.await {
        Ok(read) => read,
        Err(refusal) => return failed(base, &refusal),
    };
    let registered = outlines.iter().map(|outline| &*outline.name);
    let open = counts.open.iter().map(|open| &*open.name);
    let names = registered.chain(open);
    let names: BTreeSet<&str> = names.chain(paused.iter().map(|one| &*one.name)).collect();
    let body = html! {
        h1 { "Definitions" }
        @if let Some(refusal) = refusal { p.message.bad role="alert" { (refusal.message) } }
        @if outlines.is_empty() {
            p.quiet { "The code of the sagas is not here: the console of the service shows their pictures." }
        }
        @for name in names {
            section {
                h2 { (name) }
                (pausing(desk, base, name, paused.iter().find(|pause| pause.name == name), by))
                (versions(base, name, &outlines, &counts))
                @for outline in outlines.iter().filter(|outline| outline.name == name) {
                    @if outline.version != 1 { h3 { "Version " (outline.version) } }
                    div.wide { (picture(outline, &[])) }
                }
            }
        }
    };
    let mut page = page(base, "Definitions", None, &body);
    if let Some(refusal) = refusal {
        *page.status_mut() = status(refusal);
    }
    page
}

/// The open sagas of each version, also of unregistered ones.
fn versions(base: &Base, name: &str, outlines: &[Outline], counts: &SagaCounts) -> Markup {
    let registered = outlines.iter().filter(|outline| outline.name == name);
    let registered: BTreeSet<u32> = registered.map(|outline| outline.version).collect();
    let open = counts.open.iter().filter(|open| open.name == name);
    let open: BTreeSet<u32> = open.map(|open| open.version).collect();
    html! {
        ul {
            @for version in registered.union(&open) {
                li {
                    a href=(base.sagas(&format!("name={name} version={version}"))) { "Version " (version) }
                    ": " (open_of(counts, name, *version)) " open sagas"
                    @if !outlines.is_empty() && !registered.contains(version) { ", " b { "not registered here" } }
                }
            }
        }
    }
}

fn open_of(counts: &SagaCounts, name: &str, version: u32) -> u64 {
    let open = counts.open.iter();
    let open = open.filter(|open| open.name == name && open.version == version);
    open.map(|open| open.sagas).sum()
}

/// Shows if a definition is paused, with the form that changes this.
fn pausing(desk: &Desk, base: &Base, name: &str, pause: Option<&PauseView>, by: &str) -> Markup {
    let form = |command: &str, fields: Markup| {
        html! {
            form.command method="post" action=(base.to("definitions")) {
                input type="hidden" name="command" value=(command);
                input type="hidden" name="name" value=(name);
                div.row { (fields) button { (command) " " (name) } }
            }
        }
    };
    let resume = || {
        html! {
            input type="hidden" name="form" value=(desk.form_token);
            label { "Your name" input name="by" required maxlength="100" value=(by) autocomplete="username"; }
        }
    };
    html! {
        @match pause {
            Some(pause) => {
                p.message.bad { "Paused since " (time(pause.since)) ": " (pause.reason) }
                @if desk.is_writable { (form("resume", resume())) }
            },
            None => @if desk.is_writable {
                details {
                    summary { b { "pause" } ": no saga of it begins an attempt until it is resumed; attempts under way end, new sagas wait" }
                    (form("pause", reason_fields(&desk.form_token, by)))
                }
            },
        }
    }
}
