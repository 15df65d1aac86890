//! Commands on sagas, the removal of sagas, and the console.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::SystemTime;

use anstream::stdout;
use anyhow::{Context, anyhow};
use saga_console::Console;
use saga_runtime::operator::{Operator, SagaQuery, Utc};
use tokio::net::TcpListener;

use crate::arguments::{Place, Target, Task};
use crate::bulk::bulk;
use crate::output::{Failure, json};
use crate::selection::{Meant, steered};

/// Carries out a command on one saga, or on many.
pub(crate) async fn command(
    operator: &Operator,
    task: Task,
    place: &Place,
    is_json: bool,
) -> Result<ExitCode, Failure> {
    let Some((command, mut target)) = task.into_command() else {
        return Err(anyhow!("this task is no command").into());
    };
    target.reason = place.signed(&target.reason);
    let Target { selection, reason } = &target;
    let id = match steered(selection)? {
        Meant::One(id) => id,
        Meant::Many(query) => return bulk(operator, query, command, &target, is_json).await,
    };
    let accepted = operator.command(id, &command, reason).await?;
    if is_json {
        json(&accepted)?;
    } else {
        writeln!(
            stdout(),
            "{id}: {command}: {}: {}",
            accepted.effect,
            accepted.how
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Removes sagas that have ended.
pub(crate) async fn purge(
    operator: &Operator,
    before: Option<String>,
    older: Option<String>,
    yes: bool,
    is_json: bool,
) -> Result<ExitCode, Failure> {
    let before = match (before, older) {
        (Some(before), _) => {
            let time: Result<Utc, ()> = before.parse();
            time.map_err(|()| anyhow!("`{before}` is no time: write 2026-11-29T03:00:00Z"))?
                .0
        }
        (None, older) => {
            let age: SagaQuery = format!("age={}", older.unwrap_or_default())
                .parse()
                .context("--older")?;
            let before = age.age.and_then(|age| SystemTime::now().checked_sub(age));
            before.ok_or_else(|| anyhow!("--older is too long ago"))?
        }
    };
    if !yes {
        writeln!(
            stdout(),
            "would remove the sagas that ended before {}; add --yes to do it. `saga export` keeps a copy of them",
            Utc(before)
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    let purged = operator.purge(before).await?;
    if is_json {
        json(&purged)?;
    } else {
        writeln!(stdout(), "removed {purged} sagas")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Serves the console until Ctrl-C.
pub(crate) async fn console(
    operator: Operator,
    place: &Place,
    listen: SocketAddr,
    writable: bool,
    payloads: bool,
) -> Result<ExitCode, Failure> {
    let listener = TcpListener::bind(listen).await;
    let listener = listener.with_context(|| format!("can't listen on {listen}"))?;
    let address = listener.local_addr()?;
    let mut console = Console::new(operator);
    if writable {
        console = console.writable();
    }
    if payloads {
        console = console.payloads();
    }
    if let Some(token) = &place.token {
        console = console.token(token);
    }
    writeln!(
        stdout(),
        "The console is at http://{address}, until Ctrl-C."
    )?;
    let stop = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    console
        .serve(listener, stop)
        .await
        .map_err(anyhow::Error::from)?;
    Ok(ExitCode::SUCCESS)
}
