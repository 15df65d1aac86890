//! Lists, counts and exports.

use std::io::Write;
use std::process::ExitCode;

use anstream::stdout;
use anstyle::AnsiColor;
use saga_runtime::engine::Escaped;
use saga_runtime::operator::{Operator, PauseView, SagaCounts, SagaSummary, WorkerView};
use serde::Serialize;

use crate::output::{Failure, color, json, of_state, utc};
use crate::selection::{Meant, meant, query};

pub(crate) async fn list(
    operator: &Operator,
    filter: &[String],
    limit: usize,
    all: bool,
    is_json: bool,
) -> Result<ExitCode, Failure> {
    let mut query = query(filter)?.limit(limit);
    let mut out = stdout();
    let mut count = 0;
    loop {
        let page = operator.list(&query).await?;
        for saga in &page.sagas {
            if is_json {
                json(saga)?;
            } else {
                line(&mut out, saga)?;
            }
        }
        count += page.sagas.len();
        match page.next {
            Some(next) if all => query = query.after(Some(next)),
            next => {
                if next.is_some() && !is_json {
                    writeln!(
                        anstream::stderr(),
                        "There are more: use --all, or a filter."
                    )?;
                }
                break;
            }
        }
    }
    if count == 0 && !is_json {
        writeln!(anstream::stderr(), "No saga is like that.")?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn count(
    operator: &Operator,
    filter: &[String],
    is_json: bool,
) -> Result<ExitCode, Failure> {
    let sagas = operator.count(&query(filter)?).await?;
    if is_json {
        json(&Count { sagas })?;
    } else {
        writeln!(stdout(), "{sagas}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The number of sagas that a filter means.
#[derive(Serialize)]
struct Count {
    sagas: u64,
}

fn line(out: &mut impl Write, saga: &SagaSummary) -> Result<(), Failure> {
    let style = of_state(&saga.state);
    write!(
        out,
        "{}  {style}{:<12}{style:#}  {}  {}",
        utc(saga.started_at),
        saga.state,
        saga.id,
        Escaped(&saga.name),
    )?;
    if saga.state == "waiting" && !saga.condition.is_empty() {
        write!(out, "  {}", saga.condition)?;
    }
    if saga.paused.is_some() {
        write!(out, "  paused")?;
    }
    if let Some(trouble) = &saga.trouble {
        let steps = trouble.steps.join(", ");
        let separator = if steps.is_empty() { "" } else { ": " };
        let message = Escaped(&trouble.message);
        write!(out, "  {steps}{separator}{message}")?;
    }
    writeln!(out)?;
    Ok(())
}

pub(crate) async fn stats(operator: &Operator, is_json: bool) -> Result<ExitCode, Failure> {
    let stats = Stats::read(operator).await?;
    if is_json {
        json(&stats)?;
    } else {
        stats.print()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The numbers of sagas, and what may hold them up.
#[derive(Serialize)]
pub(crate) struct Stats {
    #[serde(flatten)]
    pub(crate) counts: SagaCounts,
    paused: Vec<PauseView>,
    workers: Vec<WorkerView>,
}

impl Stats {
    pub(crate) async fn read(operator: &Operator) -> Result<Self, Failure> {
        Ok(Self {
            counts: operator.counts().await?,
            paused: operator.paused().await?,
            workers: operator.workers().await?,
        })
    }

    pub(crate) fn print(&self) -> Result<(), Failure> {
        let Self {
            counts,
            paused,
            workers,
        } = self;
        let mut out = stdout();
        for open in &counts.open {
            let style = of_state(&open.state);
            writeln!(
                out,
                "{:>10}  {style}{:<12}{style:#}  {} version {}, the oldest since {}",
                open.sagas,
                open.state,
                Escaped(&open.name),
                open.version,
                utc(open.oldest),
            )?;
        }
        for stuck in &counts.stuck {
            let (name, code) = (Escaped(&stuck.name), Escaped(&stuck.code));
            writeln!(out, "{:>10}  of these: {name}, for `{code}`", stuck.sagas)?;
        }
        for (state, sagas) in &counts.ended {
            let style = of_state(state);
            writeln!(out, "{sagas:>10}  {style}{state}{style:#}")?;
        }
        if counts.open.is_empty() && counts.ended.is_empty() {
            writeln!(out, "There are no sagas.")?;
        }
        for pause in paused {
            let red = color(AnsiColor::Red);
            let (name, reason) = (Escaped(&pause.name), Escaped(&pause.reason));
            writeln!(
                out,
                "{red}paused{red:#}: {name}, since {}: {reason}",
                utc(pause.since)
            )?;
        }
        for worker in workers {
            write!(out, "worker {} holds {} sagas", worker.worker, worker.sagas)?;
            match worker.lease_left {
                None => writeln!(out)?,
                Some(0) => writeln!(out, "; its lease has run out, so others take them over")?,
                Some(left) => writeln!(out, "; its lease runs for {} s", left.div_ceil(1000))?,
            }
        }
        Ok(())
    }
}

pub(crate) async fn export(
    operator: &Operator,
    filter: &[String],
    is_id: bool,
    payloads: bool,
) -> Result<ExitCode, Failure> {
    match meant(filter, is_id)? {
        Meant::One(id) => {
            let details = if payloads {
                operator.show_payloads(id).await?
            } else {
                operator.show(id).await?
            };
            json(&details)?;
        }
        Meant::Many(query) => {
            let query = query.limit(200);
            operator.export(&query, payloads, json).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
