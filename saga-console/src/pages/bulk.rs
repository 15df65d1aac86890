//! One command for many sagas: first what would happen, then the command.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use maud::{Markup, html};
use saga_runtime::operator::{BulkPlan, BulkReport, Refusal};

use crate::answers::{status, with_cookie};
use crate::desk::{Desk, signed};
use crate::form::Fields;
use crate::pages::layout::{Base, page};
use crate::pages::saga::{NAME_COOKIE, check_form, command_of, operator_of};

/// The most sagas of one click: the page answers when all of them have their command.
const MOST_SAGAS: u64 = 1000;

/// The commands that one reason can be good for in many sagas.
const COMMANDS: [(&str, &str); 9] = [
    ("retry", "tries again what has failed"),
    ("resolve", "a step was undone by hand"),
    ("skip", "the effect of a step stays"),
    ("send", "sends an event"),
    ("drop", "drops an event that was sent and not taken yet"),
    ("cancel", "undoes sagas that go forward"),
    ("compensate", "undoes stuck sagas from their records"),
    (
        "complete",
        "a step in doubt was done, with the same output in each saga",
    ),
    ("abandon", "ends sagas as they are"),
];

pub(crate) async fn ask(
    State(desk): State<Arc<Desk>>,
    base: Base,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let fields = Fields::of(&uri);
    draw(&desk, &base, &fields, &operator_of(&headers), None)
}

pub(crate) async fn run(State(desk): State<Arc<Desk>>, base: Base, body: Bytes) -> Response {
    let fields = Fields::parse(&body);
    let is_dry = fields.get("really") != "yes";
    let answer = carry_out(&desk, &fields, is_dry).await;
    let by = fields.get("by");
    let page = draw(&desk, &base, &fields, by, Some(&(is_dry, answer)));
    with_cookie(page, NAME_COOKIE, by)
}

async fn carry_out(desk: &Desk, fields: &Fields, is_dry: bool) -> Result<BulkReport, Refusal> {
    check_form(desk, fields)?;
    let query = fields.query();
    let query = query.map_err(|error| Refusal::new("bad_request", error.to_string()))?;
    let reason = signed(fields.get("reason"), fields.get("by"))?;
    let command = command_of(fields)?;
    let by = fields.get("by");
    let plan = BulkPlan::new(query, command, reason);
    let plan = plan.dry_run(is_dry).at_most(MOST_SAGAS);
    let report = desk.operator.bulk(&plan, |_| true).await;
    if !is_dry {
        let accepted = report.as_ref().map_or(0, |report| report.accepted);
        tracing::info!(target: "saga", by, command = %plan.command, filter = %plan.query, accepted, "operator's command for many sagas");
    }
    report
}

fn draw(
    desk: &Desk,
    base: &Base,
    fields: &Fields,
    by: &str,
    answer: Option<&(bool, Result<BulkReport, Refusal>)>,
) -> Response {
    let body = html! {
        h1 { "One command for many sagas" }
        @match answer {
            Some((_, Err(refusal))) => p.message.bad role="alert" { (refusal.message) },
            Some((is_dry, Ok(report))) => (result(base, *is_dry, report)),
            None => {},
        }
        @if desk.is_writable { (form(desk, base, fields, by, answer)) }
        @else { p.quiet { "This console is read-only." } }
    };
    let mut page = page(base, "Many sagas", None, &body);
    if let Some((_, Err(refusal))) = answer {
        *page.status_mut() = status(refusal);
    }
    page
}

fn form(
    desk: &Desk,
    base: &Base,
    fields: &Fields,
    by: &str,
    answer: Option<&(bool, Result<BulkReport, Refusal>)>,
) -> Markup {
    let tried = answer.is_some_and(|(is_dry, report)| *is_dry && report.is_ok());
    html! {
        form.command method="post" action=(base.to("bulk")) {
            div.row {
                label { "Filter" input name="q" value=(fields.get("q")) autocomplete="off"; }
                label { "Command" select name="command" {
                    @for (name, meaning) in COMMANDS {
                        option value=(name) selected[name == fields.get("command")] { (name) ": " (meaning) }
                    }
                } }
                label { "Step or event, if it needs one" input name="target" value=(fields.get("target")) autocomplete="off"; }
                label { "Output or value as JSON, if it needs one" input name="value" value=(fields.get("value")) autocomplete="off"; }
            }
            div.row {
                input type="hidden" name="form" value=(desk.form_token);
                label { "Reason" input name="reason" required maxlength="1000" value=(fields.get("reason")) autocomplete="off"; }
                label { "Your name" input name="by" required maxlength="100" value=(by) autocomplete="username"; }
                button { "Show what would happen" }
                @if tried { button.grave name="really" value="yes" { "Do it" } }
            }
        }
        p.quiet { "At most " (MOST_SAGAS) " sagas at a time." }
    }
}

fn result(base: &Base, is_dry: bool, report: &BulkReport) -> Markup {
    let said = if is_dry {
        "would accept the command"
    } else {
        "have accepted the command"
    };
    html! {
        p.message.good role="status" {
            (report.accepted) " of " (report.examined) " sagas " (said) "."
            @if report.is_stopped { " There are more of them." }
        }
        @if !report.refused.is_empty() {
            h2 { (report.refused_count) @if is_dry { " would refuse it" } @else { " have refused it" } }
            ul { @for (id, refusal) in report.refused.iter().take(50) { li { a href=(base.saga(id)) { (id) } ": " (refusal.message) } } }
        }
        @if !report.ids.is_empty() {
            details { summary { "Which ones" } ul { @for id in report.ids.iter().take(200) { li { a href=(base.saga(id)) { (id) } } } } }
        }
    }
}
