//! Following one saga, or the numbers of all.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anstream::stdout;
use saga_runtime::journal::State;
use saga_runtime::operator::{Operator, SagaDetails};

use crate::list::stats;
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
    let mut before = None;
    loop {
        let counts = operator.counts().await?;
        let now = serde_json::to_string(&counts).map_err(anyhow::Error::from)?;
        if before.as_ref() != Some(&now) {
            if before.is_some() && !is_json {
                writeln!(stdout())?;
            }
            stats(operator, is_json).await?;
            before = Some(now);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
