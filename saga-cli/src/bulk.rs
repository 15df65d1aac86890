//! One command on many sagas: without `--yes` it only says what it would do.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anstream::{stderr, stdout};
use saga_runtime::engine::Escaped;
use saga_runtime::operator::{BulkPlan, BulkReport, Operator, SagaCommand, SagaQuery};

use crate::arguments::Target;
use crate::output::{Failure, SOME_REFUSED, json};

/// The most ids that a dry run prints.
const MOST_SHOWN: usize = 20;

pub(crate) async fn bulk(
    operator: &Operator,
    query: SagaQuery,
    command: SagaCommand,
    target: &Target,
    is_json: bool,
) -> Result<ExitCode, Failure> {
    let query = query.limit(200);
    let mut plan = BulkPlan::new(query, command, &*target.reason).dry_run(!target.selection.yes);
    if let Some(most) = target.selection.at_most {
        plan = plan.at_most(most);
    }
    // Ctrl-C stops between two sagas.
    let stopped = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&stopped);
    let listening = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.store(true, Ordering::Relaxed);
        }
    });
    let is_watched = std::io::stderr().is_terminal() && !is_json;
    let mut accepted = 0;
    let report = operator
        .bulk(&plan, |report| {
            accepted = report.accepted;
            if is_watched && report.examined % 10 == 0 {
                let _ = write!(
                    stderr(),
                    "\r{} sagas, {} refused",
                    report.examined,
                    report.refused_count
                );
            }
            !stopped.load(Ordering::Relaxed)
        })
        .await;
    listening.abort();
    if is_watched {
        let _ = write!(stderr(), "\r\x1b[K");
    }
    if report.is_err() && accepted > 0 && !plan.dry_run {
        writeln!(
            stderr(),
            "{accepted} sagas have accepted `{}` before this:",
            plan.command
        )?;
    }
    let report = report?;
    if is_json {
        json(&report)?;
    } else {
        print(&plan, &report)?;
    }
    Ok(match report.refused_count {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(SOME_REFUSED),
    })
}

fn print(plan: &BulkPlan, report: &BulkReport) -> Result<(), Failure> {
    let mut out = stdout();
    if report.examined == 0 {
        writeln!(out, "no saga is like that: `{}`", plan.query)?;
        return Ok(());
    }
    let said = if plan.dry_run {
        "would accept"
    } else {
        "have accepted"
    };
    writeln!(
        out,
        "{} of {} sagas {said} `{}`",
        report.accepted, report.examined, plan.command
    )?;
    for id in report.ids.iter().take(MOST_SHOWN) {
        writeln!(out, "  {id}")?;
    }
    if report.accepted > MOST_SHOWN as u64 {
        writeln!(out, "  and {} more", report.accepted - MOST_SHOWN as u64)?;
    }
    for (id, refusal) in &report.refused {
        writeln!(
            out,
            "  {id} {}: {}",
            if plan.dry_run {
                "would refuse"
            } else {
                "has refused"
            },
            Escaped(&refusal.message)
        )?;
    }
    if report.is_stopped {
        writeln!(out, "stopped: there are more of them")?;
    }
    if plan.dry_run {
        writeln!(out, "nothing has happened: add --yes to do it")?;
    }
    Ok(())
}
