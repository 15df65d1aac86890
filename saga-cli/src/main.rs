//! `saga`: the command line of operators.

mod arguments;
mod bulk;
mod definitions;
mod journal;
mod list;
mod output;
mod selection;
mod show;
mod steer;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use tokio::runtime::Runtime;

use arguments::{Arguments, Task};
use output::Failure;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::from(anyhow::Error::from(error)).report(),
    };
    match runtime.block_on(run(arguments)) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let Arguments { place, json, task } = arguments;
    match task {
        Task::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Arguments::command(),
                "saga",
                &mut std::io::stdout(),
            );
            return Ok(ExitCode::SUCCESS);
        }
        Task::Man => {
            let man = clap_mangen::Man::new(Arguments::command());
            man.render(&mut std::io::stdout())
                .map_err(anyhow::Error::from)?;
            return Ok(ExitCode::SUCCESS);
        }
        _ => {}
    }
    let is_read = matches!(
        task,
        Task::List { .. }
            | Task::Count { .. }
            | Task::Show { .. }
            | Task::Watch { .. }
            | Task::Stats
            | Task::Check
            | Task::Export { .. }
    );
    let operator = journal::open(&place, is_read).await?;
    match task {
        Task::List { filter, limit, all } => list::list(&operator, &filter, limit, all, json).await,
        Task::Count { filter } => list::count(&operator, &filter, json).await,
        Task::Show { id, payloads } => show::show(&operator, &id, payloads, json).await,
        Task::Watch { id } => watch::watch(&operator, id.as_deref(), json).await,
        Task::Stats => list::stats(&operator, json).await,
        Task::Check => definitions::check(&operator, json).await,
        Task::Pause { name, reason } => {
            definitions::pause(&operator, &name, &reason, &place, json).await
        }
        Task::Resume { name } => definitions::resume(&operator, &name, json).await,
        Task::Export {
            filter,
            id,
            payloads,
        } => list::export(&operator, &filter, id, payloads).await,
        Task::Purge { before, older, yes } => {
            steer::purge(&operator, before, older, yes, json).await
        }
        Task::Console {
            listen,
            writable,
            payloads,
        } => steer::console(operator, &place, listen, writable, payloads).await,
        Task::Completions { .. } | Task::Man => Ok(ExitCode::SUCCESS),
        other => steer::command(&operator, other, &place, json).await,
    }
}
