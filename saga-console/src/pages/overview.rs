//! The overview: how many sagas there are and how they stand, and the ones that need a look.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use saga_runtime::operator::{OpenCount, Refusal, SagaCounts, SagaList, SagaQuery};

use crate::desk::Desk;
use crate::pages::failed;
use crate::pages::layout::{Base, page, state, table, time};

pub(crate) async fn overview(State(desk): State<Arc<Desk>>, base: Base) -> Response {
    match read(&desk).await {
        Ok((counts, stuck, failing)) => {
            let body = body(&desk, &base, &counts, &stuck, &failing);
            page(&base, "Overview", Some(&base.to("live")), &body)
        }
        Err(refusal) => failed(&base, &refusal),
    }
}

async fn read(desk: &Desk) -> Result<(SagaCounts, SagaList, SagaList), Refusal> {
    let counts = desk.counts().await?;
    let few = |text: &str| {
        text.parse()
            .unwrap_or_else(|_| SagaQuery::default())
            .limit(10)
    };
    let stuck = desk.operator.list(&few("state=stuck")).await?;
    let failing = desk.operator.list(&few("state=failing")).await?;
    Ok((counts, stuck, failing))
}

const STATES: [&str; 7] = [
    "stuck",
    "waiting",
    "running",
    "compensating",
    "completed",
    "compensated",
    "abandoned",
];

fn body(
    desk: &Desk,
    base: &Base,
    counts: &SagaCounts,
    stuck: &SagaList,
    failing: &SagaList,
) -> Markup {
    let oldest = counts.open.iter().map(|open| open.oldest).min();
    html! {
        h1 { "Overview" }
        ul.cards {
            @for name in STATES {
                li { a href=(base.sagas(&format!("state={name}"))) { b { (counts.of(name)) } (name) } }
            }
        }
        p.quiet {
            @if let Some(oldest) = oldest { "The oldest open saga was started " (time(oldest)) ". " }
            (sentence(&desk.operator.access()))
            @if !desk.is_writable { " This console is read-only." }
        }
        @if !stuck.sagas.is_empty() {
            h2 { "Stuck: an operator must decide" }
            (table(base, &stuck.sagas))
            p {
                a href=(base.sagas("state=stuck")) { "All stuck sagas" }
                @if desk.is_writable { " · " a href=(base.to("bulk?q=state%3Dstuck&command=retry")) { "Retry many" } }
            }
        }
        @if !failing.sagas.is_empty() {
            h2 { "Failing: attempted again by themselves" }
            (table(base, &failing.sagas))
        }
        h2 { "Open sagas" }
        @if counts.open.is_empty() { p.quiet { "No saga is open." } } @else { (open(base, &counts.open)) }
    }
}

/// A text with a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters
        .next()
        .map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), characters.as_str())
}

fn open(base: &Base, open: &[OpenCount]) -> Markup {
    html! {
        div.wide {
            table {
                thead { tr { th { "Definition" } th { "Version" } th { "State" } th { "Sagas" } th { "Oldest" } } }
                tbody {
                    @for count in open {
                        @let filter = format!("state={} name={} version={}", count.state, count.name, count.version);
                        tr {
                            td { (count.name) }
                            td { (count.version) }
                            td { (state(&count.state)) }
                            td { a href=(base.sagas(&filter)) { (count.sagas) } }
                            td { (time(count.oldest)) }
                        }
                    }
                }
            }
        }
    }
}
