//! Measures sagas on the Postgres journal, on a server of its own.

mod bare;
mod cluster;
mod contest;
mod costs;
#[expect(
    unreachable_pub,
    reason = "the peers share this file, in a crate of their own"
)]
mod customers;
#[path = "../../src/figures.rs"]
#[expect(
    unreachable_pub,
    reason = "the benchmarks share this file; here it is of one program"
)]
mod figures;
mod memory;
mod peers;
mod process;
mod relay;
mod report;
mod sagas;
mod tables;
mod takeover;
#[path = "../../src/durable/three.rs"]
mod three;

use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

/// Measures sagas of three steps on the Postgres journal, beside a bare loop and beside peers, on a server that it starts.
#[derive(Parser)]
struct Arguments {
    /// Few repetitions, and no peers: shows that everything runs; the numbers mean little.
    #[arg(long)]
    quick: bool,
    /// Measures without the peers, which take a while to build.
    #[arg(long)]
    no_peers: bool,
    /// Measures only these.
    only: Vec<Part>,
    #[command(subcommand)]
    process: Option<Worker>,
}

/// A part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Sagas a second.
    Rate,
    /// Statements, round trips, bytes and waits for the disk.
    Costs,
    /// The time until another worker goes on.
    Takeover,
    /// The memory of a worker.
    Memory,
    /// The size of the tables, and claims beside a million sagas that have ended.
    Tables,
}

/// The processes that are measured.
#[derive(Subcommand)]
enum Worker {
    /// Runs sagas for so many customers.
    #[command(hide = true)]
    Work {
        url: String,
        in_flight: usize,
        each: usize,
    },
    /// Writes the rows of sagas for so many customers.
    #[command(hide = true)]
    Bare {
        url: String,
        in_flight: usize,
        each: usize,
    },
    /// Starts sagas, and holds them.
    #[command(hide = true)]
    Keep {
        url: String,
        sagas: usize,
        lease: u64,
    },
    /// Takes sagas over.
    #[command(hide = true)]
    Survive {
        url: String,
        sagas: usize,
        lease: u64,
    },
}

/// How often everything is repeated.
pub(crate) struct Repetitions {
    /// Sagas per saga in flight and round.
    pub(crate) each: usize,
    pub(crate) rounds: usize,
    /// Sagas that another worker takes over.
    pub(crate) orphans: usize,
    pub(crate) takeovers: usize,
    pub(crate) parked: usize,
    /// Sagas that are started and purged: so many pieces of so many.
    pub(crate) churned: (usize, usize),
    /// Sagas that have ended before the claims.
    pub(crate) ended: usize,
    pub(crate) claims: usize,
}

const THOROUGH: Repetitions = Repetitions {
    each: 100,
    rounds: 5,
    orphans: 10_000,
    takeovers: 3,
    parked: 1_000_000,
    churned: (10, 100_000),
    ended: 1_000_000,
    claims: 31,
};

const QUICK: Repetitions = Repetitions {
    each: 8,
    rounds: 1,
    orphans: 200,
    takeovers: 1,
    parked: 2_000,
    churned: (2, 1_000),
    ended: 2_000,
    claims: 3,
};

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(process) = arguments.process {
        return run(process);
    }
    let repetitions = if arguments.quick { &QUICK } else { &THOROUGH };
    let parts = match &arguments.only[..] {
        [] => Part::value_variants(),
        only => only,
    };
    let is_beside_peers = !arguments.quick && !arguments.no_peers;
    let needs_peers = parts.contains(&Part::Rate) || parts.contains(&Part::Costs);
    let peers = (is_beside_peers && needs_peers)
        .then(peers::build)
        .transpose()?;
    let cluster = cluster::Cluster::start()?;
    for part in parts {
        match part {
            Part::Rate => report::rate(&cluster, peers.as_ref(), repetitions)?,
            Part::Costs => report::costs(&cluster, peers.as_ref(), repetitions)?,
            Part::Takeover => report::takeover(&cluster, repetitions)?,
            Part::Memory => report::memory(&cluster, repetitions)?,
            Part::Tables => report::tables(&cluster, repetitions)?,
        }
        println!();
    }
    Ok(())
}

fn run(process: Worker) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime
        .block_on(async {
            match process {
                Worker::Work {
                    url,
                    in_flight,
                    each,
                } => sagas::work(&url, in_flight, each).await,
                Worker::Bare {
                    url,
                    in_flight,
                    each,
                } => bare::work(&url, in_flight, each).await,
                Worker::Keep { url, sagas, lease } => {
                    relay::keep(&url, sagas, Duration::from_millis(lease)).await
                }
                Worker::Survive { url, sagas, lease } => {
                    relay::survive(&url, sagas, Duration::from_millis(lease)).await
                }
            }
        })
        .map_err(|error| anyhow::anyhow!(error))
}
