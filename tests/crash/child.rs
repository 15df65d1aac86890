//! The process that is killed. It starts the sagas of its arguments, resumes the sagas of earlier processes, and ends when
//! nothing is open.

mod killing;
#[expect(dead_code, reason = "what is asked is read by the test")]
mod participant;
mod sagas;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use clap::Parser;
use saga_runtime::coordinator::{Builder, SubmitError};
use saga_runtime::journal::{Filter, Sqlite, State};
use saga_runtime::{Coordinator, SagaId};

use killing::{Kill, Killing};
use participant::{Defect, Participant};
use sagas::{Case, Doubting, Fatal, Grouped, Line, Shipping, Spread};

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
    /// Lets another worker take the saga over before this write.
    #[arg(long)]
    steal_before: Option<u64>,
    /// Starts so many sagas, and one among them whose step ends the process.
    #[arg(long)]
    beside_a_poison: Option<usize>,
    /// Starts so many sagas whose first step takes half a second.
    #[arg(long)]
    slow_sagas: Option<usize>,
    /// Ends the process so long after its start.
    #[arg(long)]
    end_after_millis: Option<u64>,
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
        log: arguments.folder.join("journal.db-wal"),
        kill: Kill {
            before: arguments.kill_before,
            after: arguments.kill_after,
        },
        steal_before: arguments.steal_before,
        defect: arguments.defect,
        writes: AtomicU64::new(0),
        late: OnceLock::new(),
        left_out: Mutex::default(),
        lease: Mutex::default(),
    };
    // A worker that loses a saga looks again after a third of it.
    let lease = match arguments.steal_before {
        Some(_) => Duration::from_millis(60),
        None => Duration::from_secs(30),
    };
    let builder = Coordinator::builder(participant)
        .journal(journal)
        .lease(lease)
        // Random kills hit the same place more often than an operator would stand for.
        .max_recoveries(match arguments.cases.is_empty() {
            true => 10,
            false => 1000,
        })
        .recovery_pause(match arguments.slow_sagas {
            Some(_) => Duration::from_secs(1),
            None => Duration::from_millis(1),
        })
        // Suspends every saga that waits.
        .patience(Duration::ZERO);
    let coordinator = register(builder).start().await?;
    if let Some(sagas) = arguments.beside_a_poison {
        start_beside_a_poison(&coordinator, sagas).await?;
    }
    if let Some(millis) = arguments.end_after_millis {
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(millis));
            std::process::exit(1);
        });
    }
    for number in 0..arguments.slow_sagas.unwrap_or_default() {
        let slow = Fatal {
            millis: 500,
            is_fatal: false,
        };
        let id = format!("slow-{number}");
        let _ = coordinator.submit(id.as_str(), slow).await?;
    }
    let cases = sagas::cases();
    let mut ids = Vec::new();
    for number in arguments.cases {
        let id = SagaId::new(format!("case-{number}"))?;
        submit(&coordinator, &id, cases[number % cases.len()]).await?;
        ids.push(id);
    }
    while is_open(&coordinator).await? {
        for id in &ids {
            let inspected = coordinator.inspect(id).await?;
            if inspected.is_some_and(|inspected| inspected.awaits(sagas::GO)) {
                // It may have continued, or ended, meanwhile.
                let _ = coordinator.send(id, sagas::GO, &()).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    coordinator.shutdown().await;
    Ok(())
}

/// Starts so many sagas, and in the middle of them one whose step ends the process.
async fn start_beside_a_poison(
    coordinator: &Coordinator<Participant>,
    sagas: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    for number in 0..sagas {
        if number == sagas / 2 {
            let poison = Fatal {
                millis: 3,
                is_fatal: true,
            };
            let _ = coordinator.submit("poison", poison).await?;
        }
        let id = format!("innocent-{number}");
        let innocent = Fatal {
            millis: 3,
            is_fatal: false,
        };
        let _ = coordinator.submit(id.as_str(), innocent).await?;
    }
    Ok(())
}

/// Says whether some saga can still continue. Looks at all of them once: with two looks, one that waits could be missed.
async fn is_open(
    coordinator: &Coordinator<Participant>,
) -> Result<bool, Box<dyn std::error::Error>> {
    let page = coordinator.list(&Filter::default().limit(2000)).await?;
    let mut states = page.sagas.iter().map(|saga| saga.state);
    Ok(states.any(|state| !state.is_final() && state != State::Stuck))
}

/// All of them.
fn register<J>(builder: Builder<Participant, J>) -> Builder<Participant, J> {
    builder
        .register::<Line>()
        .register::<Shipping>()
        .register::<Doubting>()
        .register::<Grouped>()
        .register::<Spread>()
        .register::<Fatal>()
}

/// Starts the saga of a case.
async fn submit(
    coordinator: &Coordinator<Participant>,
    id: &SagaId,
    case: Case,
) -> Result<(), SubmitError> {
    let plan = case.plan;
    match case.saga {
        "line" => coordinator.submit(id, Line { plan }).await.map(drop),
        "shipping" => coordinator.submit(id, Shipping { plan }).await.map(drop),
        "spread" => coordinator.submit(id, Spread { plan }).await.map(drop),
        "grouped" => coordinator.submit(id, Grouped { plan }).await.map(drop),
        _ => coordinator.submit(id, Doubting { plan }).await.map(drop),
    }
}
