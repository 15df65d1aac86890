//! Following one saga, or the numbers of all.

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anstream::stdout;
use saga_runtime::journal::State;
use saga_runtime::operator::{Operator, SagaCounts, SagaDetails};

use crate::list::Stats;
use crate::output::{Failure, json, of_state, utc};

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// Follows a saga until it has ended or is stuck, or the numbers until Ctrl-C.
pub(crate) async fn watch(
    operator: &Operator,
    id: Option<&str>,
    is_json: bool,
) -> Result<ExitCode, Failure> {
    let Some(id) = id else {
        return numbers(operator, is_json).await;
    };
    let mut shown = 0;
    let mut state = String::new();
    loop {
        let details = operator.show(id).await?;
        news(&details, &mut shown, is_json)?;
        if details.saga.state != state {
            state.clone_from(&details.saga.state);
            if !is_json {
                let style = of_state(&state);
                writeln!(stdout(), "{style}{state}{style:#}")?;
            }
        }
        if details.saga.state().is_none_or(State::is_final) || state == "stuck" {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Prints the entries that were not shown yet.
fn news(details: &SagaDetails, shown: &mut usize, is_json: bool) -> Result<(), Failure> {
    for entry in details.entries.iter().skip(*shown) {
        if is_json {
            json(entry)?;
        } else {
            writeln!(stdout(), "{}  {}", utc(entry.at), entry.line)?;
        }
    }
    *shown = details.entries.len();
    Ok(())
}

async fn numbers(operator: &Operator, is_json: bool) -> Result<ExitCode, Failure> {
    let mut before: Option<(Instant, SagaCounts, String)> = None;
    loop {
        let stats = Stats::read(operator).await?;
        let text = serde_json::to_string(&stats.counts).map_err(anyhow::Error::from)?;
        if before.as_ref().is_none_or(|(_, _, known)| *known != text) {
            if is_json {
                json(&stats)?;
            } else {
                if let Some((at, earlier, _)) = &before {
                    writeln!(stdout())?;
                    pace(at.elapsed(), stats.counts.since(earlier))?;
                }
                stats.print()?;
            }
            before = Some((Instant::now(), stats.counts, text));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Prints the numbers of sagas that have started and ended in this time. Nothing if sagas were removed.
fn pace(time: Duration, moved: Option<(u64, u64)>) -> Result<(), Failure> {
    let Some((started, ended)) = moved else {
        return Ok(());
    };
    let seconds = time.as_secs_f64();
    writeln!(
        stdout(),
        "{started} started and {ended} ended in {seconds:.1} s"
    )?;
    Ok(())
}
