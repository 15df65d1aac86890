//! What it costs to watch sagas.

mod load;
mod metrics;
mod million;
mod readers;
mod rounds;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Measures what metrics cost, what a console with readers costs, and how long its pages take beside a million sagas. Rounds with and
/// without are interleaved; what is printed are medians.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Sagas per second and instructions per saga with 256 in flight, beside the same program without metrics.
    Metrics {
        /// The same program, built without the feature `metrics`.
        #[arg(long)]
        without: PathBuf,
        #[arg(long, default_value_t = 15)]
        rounds: usize,
    },
    /// Sagas per second with 64 in flight on a file, while five readers reload pages and follow them, beside none.
    Console {
        #[arg(long, default_value_t = 31)]
        rounds: usize,
        /// How many sagas there are before.
        #[arg(long, default_value_t = 100_000)]
        before: usize,
    },
    /// The time of the overview and of the first pages beside a million sagas.
    Million {
        /// The Postgres database, which is empty. Without it, a file.
        #[arg(long)]
        database_url: Option<String>,
        #[arg(long, default_value_t = 1_000_000)]
        sagas: usize,
    },
    /// Runs sagas once, and prints how many per second.
    #[command(hide = true)]
    Once {
        in_flight: usize,
        each: usize,
        /// On one thread and a journal in memory, so that the same is done each time.
        #[arg(long)]
        alone: bool,
    },
    /// Reads pages until its input ends.
    #[command(hide = true)]
    Read { address: SocketAddr },
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().what {
        What::Metrics { without, rounds } => metrics::measure(&without, rounds),
        What::Console { rounds, before } => readers::measure(rounds, before),
        What::Million {
            database_url,
            sagas,
        } => million::measure(database_url, sagas),
        What::Once {
            in_flight,
            each,
            alone,
        } => metrics::once(in_flight, each, alone),
        What::Read { address } => readers::read(address),
    }
}
