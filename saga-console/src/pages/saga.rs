//! One saga: its picture with this run laid over it, its history, what it waits for, and what can be done now.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use maud::{Markup, html};
use saga_runtime::operator::{Possible, Refusal, SagaCommand, SagaDetails, Utc};

use crate::answers::{cookie, see_other, status, with_cookie};
use crate::desk::Desk;
use crate::form::{Fields, encoded};

use crate::pages::failed;
use crate::pages::layout::{Base, page, reason_fields, state, time};
use crate::picture::picture;

/// The cookie that has the name of the operator.
pub(crate) const NAME_COOKIE: &str = "saga_by";

pub(crate) async fn show(
    State(desk): State<Arc<Desk>>,
    base: Base,
    Path(id): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let fields = Fields::of(&uri);
    let payloads = desk.shows_payloads && fields.get("payloads") == "yes";
    let answer = match fields.get("done") {
        "done" => Some(Ok("The decision is recorded.".to_owned())),
        "requested" => Some(Ok(
            "The request is recorded. It is heard when the attempt under way has ended.".to_owned(),
        )),
        _ => None,
    };
    draw(&desk, &base, &id, &operator_of(&headers), payloads, answer).await
}

/// The name that the operator has given with the last command.
pub(crate) fn operator_of(headers: &HeaderMap) -> String {
    cookie(headers, NAME_COOKIE).unwrap_or_default()
}

async fn draw(
    desk: &Desk,
    base: &Base,
    id: &str,
    by: &str,
    payloads: bool,
    answer: Option<Result<String, Refusal>>,
) -> Response {
    let shown = if payloads {
        desk.operator.show_payloads(id).await
    } else {
        desk.operator.show(id).await
    };
    let details = match shown {
        Ok(details) => details,
        Err(refusal) => return failed(base, &refusal),
    };
    let body = html! {
        @match &answer {
            Some(Ok(said)) => p.message.good role="status" { (said) },
            Some(Err(refusal)) => p.message.bad role="alert" { (refusal.message) },
            None => {},
        }
        (head(&details))
        (commands(desk, base, &details, by))
        (run(&details))
        (history(desk, base, &details, payloads))
    };
    let news = base.to(&format!("live?saga={}", encoded(id)));
    let mut page = page(base, id, Some(&news), &body);
    if let Some(Err(refusal)) = &answer {
        *page.status_mut() = status(refusal);
    }
    page
}

fn head(details: &SagaDetails) -> Markup {
    let saga = &details.saga;
    html! {
        h1 { (saga.id) " " (state(&saga.state)) }
        p.quiet {
            (saga.name) ", version " (saga.version) ", started " (time(saga.started_at)) ", last entry " (time(saga.changed_at))
            @if let Some(worker) = &saga.worker { ", held by " (worker) }
            @if saga.condition != saga.state && saga.condition != "ended" && !saga.condition.is_empty() { ", " (saga.condition) }
        }
        @if let Some(trouble) = &saga.trouble {
            p.message.bad {
                @if !trouble.steps.is_empty() { b { (trouble.steps.join(", ")) } ": " }
                (trouble.message) " " span.quiet { "(" (trouble.code) ")" }
                @if let Some(next) = trouble.next_attempt { br; "Next attempt " (time(next)) ", after " (trouble.attempts.unwrap_or(1)) " attempts." }
            }
        }
        @if let Some(damage) = &details.damage { p.message.bad { "Damaged: " (damage) } }
        @if let Some(reason) = &saga.paused { p.message { "Its definition is paused: " (reason) } }
        @for event in &details.set_aside { p.message.bad { "Event " b { (event.event) } " is set aside: " (event.reason) " The right one can be sent." } }
        @for event in &details.kept {
            p.message {
                "Event " b { (event.event) } " was sent, and is kept until it is asked for"
                @if let Some(key) = &event.key { " (key " (key) ")" }
                @if let Some(value) = &event.value { details { summary { "Value" } pre { (value) } } }
            }
        }
        @if let Some(reason) = &saga.cancellation { p.message { "To be cancelled: " (reason) } }
        @for wait in &details.waits {
            p.message { "Waits for " b { (wait.call) } @if let Some(until) = wait.until { ", until " (Utc::from_millis(until)) } }
        }
        @if !details.to_compensate.is_empty() { p { "To be undone if it fails, last first: " (details.to_compensate.join(", ")) } }
        @for (call, reason) in &details.skipped { p.message { "Left as it is: " b { (call) } ": " (reason) } }
        @if !details.left.is_empty() { p.message.bad { "Not undone: " (details.left.join(", ")) } }
    }
}

fn commands(desk: &Desk, base: &Base, details: &SagaDetails, by: &str) -> Markup {
    if details.possible.is_empty() {
        return html! {};
    }
    html! {
        h2 { "What can be done" }
        @if desk.is_writable {
            @for possible in &details.possible { (command_form(desk, base, &details.saga.id, possible, by)) }
        } @else {
            ul { @for possible in &details.possible {
                li { b { (possible.command) } @if let Some(target) = &possible.target { " " (target) } ": " (possible.effect) }
            } }
            p.quiet { "This console is read-only." }
        }
    }
}

fn command_form(desk: &Desk, base: &Base, id: &str, possible: &Possible, by: &str) -> Markup {
    let is_grave = matches!(&*possible.command, "abandon" | "skip");
    let asks = match &*possible.command {
        "complete" => Some("Output, as JSON"),
        "send" => Some("Value, as JSON"),
        _ => None,
    };
    html! {
        details {
            summary { b { (possible.command) @if let Some(target) = &possible.target { " " (target) } } ": " (possible.effect) }
            form.command method="post" action=(base.saga(id)) {
                input type="hidden" name="command" value=(possible.command);
                @if let Some(target) = &possible.target { input type="hidden" name="target" value=(target); }
                div.row {
                    @if let Some(asks) = asks { label { (asks) input name="value" required value=@if possible.command == "send" { "true" } autocomplete="off"; } }
                    (reason_fields(&desk.form_token, by))
                    button.grave[is_grave] { (possible.command) @if let Some(target) = &possible.target { " " (target) } }
                }
            }
        }
    }
}

fn run(details: &SagaDetails) -> Markup {
    let calls = details.calls();
    html! {
        @if let Some(outline) = &details.outline {
            h2 { "This run" }
            div.wide { (picture(outline, &calls)) }
        } @else if !calls.is_empty() {
            h2 { "This run" }
            ul { @for call in &calls {
                li class=(crate::picture::class(call.status)) { (call.status.sign()) " " (call.call()) ": " (call.status.words()) }
            } }
        }
    }
}

fn history(desk: &Desk, base: &Base, details: &SagaDetails, payloads: bool) -> Markup {
    let started = details.saga.started_at;
    let switch = if payloads { "" } else { "?payloads=yes" };
    let address = format!("{}{switch}", base.saga(&details.saga.id));
    html! {
        h2 { "History" }
        @if desk.shows_payloads {
            p { a href=(address) { @if payloads { "Hide payloads" } @else { "Show payloads" } } }
        }
        @if let Some(input) = &details.input { details { summary { "Input" } pre { (input) } } }
        div.wide { table {
            thead { tr { th { "#" } th { "After" } th { "Entry" } } }
            tbody { @for entry in &details.entries {
                @let after = entry.at.saturating_sub(started);
                tr {
                    td { (entry.seq) }
                    td { time datetime=(Utc::from_millis(entry.at)) title=(Utc::from_millis(entry.at)) { (after / 1000) "." (format!("{:03}", after % 1000)) " s" } }
                    td {
                        (entry.line)
                        @if let Some(code) = &entry.code { span.quiet { " (" (code) ")" } }
                        @if let Some(payload) = &entry.payload { details { summary { "Payload" } pre { (payload) } } }
                    }
                }
            } }
        } }
    }
}

pub(crate) async fn command(
    State(desk): State<Arc<Desk>>,
    base: Base,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let fields = Fields::parse(&body);
    let by = fields.get("by");
    let answer = async {
        check_form(&desk, &fields)?;
        let command = command_of(&fields)?;
        desk.command(&id, &command, fields.get("reason"), by).await
    };
    match answer.await {
        Ok(accepted) => {
            let to = format!("{}?done={}", base.saga(&id), accepted.effect);
            with_cookie(see_other(&to), NAME_COOKIE, by)
        }
        Err(refusal) => draw(&desk, &base, &id, by, false, Some(Err(refusal))).await,
    }
}

/// Checks that a form is one of this console.
pub(crate) fn check_form(desk: &Desk, fields: &Fields) -> Result<(), Refusal> {
    if desk.knows_form(fields.get("form")) {
        return Ok(());
    }
    let message =
        "the form is not one of this console, or the console was started again: load the page anew";
    Err(Refusal::new("read_only", message))
}

/// The command that a form asks for.
pub(crate) fn command_of(fields: &Fields) -> Result<SagaCommand, Refusal> {
    let target = fields.get("target").to_owned();
    let value = || {
        let value = serde_json::from_str(fields.get("value"));
        value.map_err(|error| Refusal::new("bad_request", format!("the value is no JSON: {error}")))
    };
    Ok(match fields.get("command") {
        "retry" => SagaCommand::Retry,
        "resolve" => SagaCommand::Resolve { step: target },
        "skip" => SagaCommand::Skip { step: target },
        "complete" => SagaCommand::Complete {
            step: target,
            output: value()?,
        },
        "compensate" => SagaCommand::Compensate,
        "abandon" => SagaCommand::Abandon,
        "cancel" => SagaCommand::Cancel,
        "drop" => SagaCommand::DropEvent { event: target },
        "send" => SagaCommand::SendEvent {
            event: target,
            value: value()?,
        },
        _ => return Err(Refusal::new("bad_request", "there is no such command")),
    })
}
