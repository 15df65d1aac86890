//! The overview: how many sagas there are and how they stand, and the ones that need a look.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use saga_runtime::operator::{
    OpenCount, PauseView, Refusal, SagaCounts, SagaList, SagaQuery, StuckCount, WorkerView,
};

use crate::desk::{Desk, PerMinute};
use crate::pages::failed;
use crate::pages::layout::{Base, page, span, state, table, time};

pub(crate) async fn overview(State(desk): State<Arc<Desk>>, base: Base) -> Response {
    match View::read(&desk).await {
        Ok(view) => {
            let body = body(&desk, &base, &view);
            page(&base, "Overview", Some(&base.to("live")), &body)
        }
        Err(refusal) => failed(&base, &refusal),
    }
}

/// Everything that the overview shows.
struct View {
    counts: SagaCounts,
    pace: Option<PerMinute>,
    stuck: SagaList,
    failing: SagaList,
    workers: Vec<WorkerView>,
    paused: Vec<PauseView>,
}

impl View {
    async fn read(desk: &Desk) -> Result<Self, Refusal> {
        let (counts, pace) = desk.counts_and_pace().await?;
        let few = |text: &str| {
            text.parse()
                .unwrap_or_else(|_| SagaQuery::default())
                .limit(10)
        };
        let stuck = desk.operator.list(&few("state=stuck")).await?;
        let failing = desk.operator.list(&few("state=failing")).await?;
        Ok(Self {
            counts,
            pace,
            stuck,
            failing,
            workers: desk.operator.workers().await?,
            paused: desk.operator.paused().await?,
        })
    }
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

fn body(desk: &Desk, base: &Base, view: &View) -> Markup {
    let View {
        counts,
        pace,
        stuck,
        failing,
        workers,
        paused,
    } = view;
    let oldest = counts.open.iter().map(|open| open.oldest).min();
    html! {
        h1 { "Overview" }
        ul.cards {
            @for name in STATES {
                li { a href=(base.sagas(&format!("state={name}"))) { b { (counts.of(name)) } (name) } }
            }
        }
        @for pause in paused {
            p.message.bad {
                a href=(base.to("definitions")) { (pause.name) } " is paused since " (time(pause.since)) ": " (pause.reason)
            }
        }
        p.quiet {
            @match pace {
                Some(PerMinute { started, ended }) =>
                    { (format!("{started:.0}")) " started and " (format!("{ended:.0}")) " ended per minute. " },
                None => "The sagas per minute are counted while this page is open. ",
            }
            @if let Some(oldest) = oldest { "The oldest open saga was started " (time(oldest)) ". " }
            (sentence(&desk.operator.access()))
            @if !desk.is_writable { " This console is read-only." }
        }
        @if !stuck.sagas.is_empty() {
            h2 { "Stuck: an operator must decide" }
            (reasons(base, &counts.stuck))
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
        h2 { "Workers" }
        (held(workers))
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

/// How many sagas are stuck for which reason, each a link to them.
fn reasons(base: &Base, stuck: &[StuckCount]) -> Markup {
    html! {
        ul.reasons {
            @for one in stuck {
                @let filter = format!("state=stuck name={} code={}", one.name, one.code);
                li { a href=(base.sagas(&filter)) { (one.sagas) " " (one.name) ": " code { (one.code) } } }
            }
        }
    }
}

fn held(workers: &[WorkerView]) -> Markup {
    html! {
        @if workers.is_empty() { p.quiet { "No worker holds a saga." } }
        @else {
            div.wide {
                table {
                    thead { tr { th { "Worker" } th { "Sagas" } th { "Lease" } } }
                    tbody {
                        @for worker in workers {
                            tr {
                                td { (worker.worker) }
                                td { (worker.sagas) }
                                td {
                                    @match worker.lease_left {
                                        None => span.quiet { "owns the journal" },
                                        Some(0) => b { "has run out: others take its sagas over" },
                                        Some(left) => { "for " (span(left)) },
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
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
