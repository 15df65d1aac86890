//! Lists, counts and exports.

use std::io::Write;
use std::process::ExitCode;

use anstream::stdout;
use saga_runtime::operator::{Operator, SagaQuery, SagaSummary};

use crate::arguments;
use crate::output::{Failure, json, of_state, utc};

pub(crate) fn query(words: &[String]) -> Result<SagaQuery, Failure> {
    let query = arguments::filter(words).parse();
    query.map_err(|error| {
        Failure::Other(anyhow::Error::new::<saga_runtime::operator::QueryError>(
            error,
        ))
    })
}

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

fn line(out: &mut impl Write, saga: &SagaSummary) -> Result<(), Failure> {
    let style = of_state(&saga.state);
    write!(
        out,
        "{}  {style}{:<12}{style:#}  {}  {}",
        utc(saga.started_at),
        saga.state,
        saga.id,
        saga_runtime::engine::Escaped(&saga.name),
    )?;
    if let Some(trouble) = &saga.trouble {
        let steps = trouble.steps.join(", ");
        let separator = if steps.is_empty() { "" } else { ": " };
        let message = saga_runtime::engine::Escaped(&trouble.message);
        write!(out, "  {steps}{separator}{message}")?;
    }
    writeln!(out)?;
    Ok(())
}

pub(crate) async fn stats(operator: &Operator, is_json: bool) -> Result<ExitCode, Failure> {
    let counts = operator.counts().await?;
    if is_json {
        json(&counts)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = stdout();
    for open in &counts.open {
        let style = of_state(&open.state);
        writeln!(
            out,
            "{:>10}  {style}{:<12}{style:#}  {} version {}, the oldest since {}",
            open.sagas,
            open.state,
            saga_runtime::engine::Escaped(&open.name),
            open.version,
            utc(open.oldest),
        )?;
    }
    for (state, sagas) in &counts.ended {
        let style = of_state(state);
        writeln!(out, "{sagas:>10}  {style}{state}{style:#}")?;
    }
    if counts.open.is_empty() && counts.ended.is_empty() {
        writeln!(out, "There are no sagas.")?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn export(
    operator: &Operator,
    filter: &[String],
    payloads: bool,
) -> Result<ExitCode, Failure> {
    let mut query = query(filter)?.limit(200);
    loop {
        let page = operator.list(&query).await?;
        for saga in &page.sagas {
            let details = if payloads {
                operator.show_payloads(saga.id.as_str()).await
            } else {
                operator.show(saga.id.as_str()).await
            };
            match details {
                Ok(details) => json(&details)?,
                // It was removed meanwhile.
                Err(refusal) if refusal.code == "unknown" => {}
                Err(refusal) => return Err(refusal.into()),
            }
        }
        match page.next {
            Some(next) => query = query.after(Some(next)),
            None => return Ok(ExitCode::SUCCESS),
        }
    }
}
