//! A worker: starts sagas until it is killed, runs what others leave, and tells which sagas were started.

mod sagas;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use saga_runtime::journal::Postgres;
use saga_runtime::{Coordinator, SagaId};

use sagas::{Line, Plan, STEPS, Service};

#[derive(Parser)]
struct Arguments {
    /// The database of the journal.
    url: String,
    /// The folder of the service's file and of the list of the started sagas.
    folder: PathBuf,
    /// What the ids of its sagas begin with. Without it, it starts none.
    #[arg(long)]
    starts: Option<String>,
    /// Its lease, in milliseconds.
    #[arg(long)]
    lease: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let service = Service::open(&arguments.folder.join("service.db"))?;
    // The server may be just away.
    let journal = loop {
        match Postgres::connect(&arguments.url).await {
            Ok(journal) => break journal,
            Err(error) => eprintln!("no journal: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let coordinator = Coordinator::builder(service)
        .journal(journal)
        .lease(Duration::from_millis(arguments.lease))
        .max_recoveries(1000)
        .recovery_pause(Duration::from_millis(1))
        .register::<Line>()
        .start()
        .await?;
    let mut started = OpenOptions::new()
        .create(true)
        .append(true)
        .open(arguments.folder.join("started"))?;
    let Some(prefix) = arguments.starts else {
        return std::future::pending().await;
    };
    for number in 0_u32.. {
        let id = SagaId::new(format!("{prefix}-{number}"))?;
        let refused = (number % 3 == 0).then_some(1 + number / 3 % STEPS);
        let plan = Plan { refused };
        match coordinator.submit(&id, Line { plan }).await {
            // One write, so that a line is there or not.
            Ok(_) => started.write_all(format!("{id}\n").as_bytes())?,
            Err(error) => eprintln!("{id}: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    Ok(())
}
