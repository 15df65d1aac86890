//! The process that is killed: it starts the sagas that it is told to, goes on with what earlier ones left, and ends when
//! nothing is open.

mod killing;
#[expect(dead_code, reason = "what is asked is read by the test")]
mod participant;
mod sagas;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use clap::Parser;
use saga_runtime::journal::{Filter, Sqlite, State};
use saga_runtime::{Coordinator, SagaId};

use killing::{Kill, Killing};
use participant::{Defect, Participant};

#[derive(Parser)]
struct Arguments {
    /// The folder of the journal and the participant's database.
    folder: PathBuf,
    /// The numbers of the cases to start; the id of a saga is `case-<number>`.
    #[arg(long, value_delimiter = ',')]
    cases: Vec<usize>,
    /// Ends the process before this write.
    #[arg(long)]
    kill_before: Option<u64>,
    /// Ends the process after this write.
    #[arg(long)]
    kill_after: Option<u64>,
    /// Makes this mistake.
    #[arg(long)]
    defect: Option<Defect>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let participant = arguments.folder.join("participant.db");
    let participant = Participant::open(&participant, arguments.defect)?;
    let journal = Killing {
        journal: Sqlite::open(arguments.folder.join("journal.db")).await?,
        kill: Kill {
            before: arguments.kill_before,
            after: arguments.kill_after,
        },
        defect: arguments.defect,
        writes: AtomicU64::new(0),
    };
    let builder = Coordinator::builder(participant)
        .journal(journal)
        // Random kills hit the same place more often than an operator would stand for.
        .max_recoveries(1000);
    let coordinator = sagas::register(builder).start().await?;
    let cases = sagas::cases();
    for number in arguments.cases {
        let id = SagaId::new(format!("case-{number}"))?;
        sagas::submit(&coordinator, &id, cases[number % cases.len()]).await?;
    }
    while is_open(&coordinator).await? {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    coordinator.shutdown().await;
    Ok(())
}

/// Whether some saga can still go on.
async fn is_open(
    coordinator: &Coordinator<Participant>,
) -> Result<bool, Box<dyn std::error::Error>> {
    for state in [State::Waiting, State::Running, State::Compensating] {
        let filter = Filter::default().state(state).limit(1);
        if !coordinator.list(&filter).await?.sagas.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}
