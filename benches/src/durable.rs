//! Sagas of three steps on the SQLite journal, beside a bare loop that commits the same rows in the same groups, and beside
//! durare.

mod bare;
mod disk;
mod durare;
mod three;

use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use saga_runtime::journal::Sqlite;
use saga_runtime::{Coordinator, SagaId};
use tokio::task::JoinSet;

use three::{Nothing, Three};

/// How many sagas are in flight at the same time.
pub const IN_FLIGHT: [usize; 4] = [1, 16, 64, 256];

/// What was measured with so many sagas in flight: medians of several rounds.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// How many at the same time.
    pub in_flight: usize,
    /// Sagas per second of the bare loop, which waits for the disk as often as this library could at best.
    pub bare: f64,
    /// Sagas per second on the journal.
    pub sagas: f64,
    /// Workflows per second on durare with the same setting, measured once, if asked for.
    pub durare: Option<f64>,
    /// Half of the sagas took no longer, in milliseconds.
    pub median: f64,
    /// All but one of a hundred sagas took no longer, in milliseconds.
    pub p99: f64,
    /// How often a saga waits for the disk, if `strace` can count it.
    pub fsyncs: Option<f64>,
    /// Bytes per saga that were given to the operating system to be written.
    pub bytes: f64,
}

/// What one round on the journal showed.
#[derive(Debug, Clone, Copy)]
struct Round {
    sagas: f64,
    median: f64,
    p99: f64,
    bytes: f64,
}

/// Measures all in turn, on files in this folder; `each` is how many sagas there are per saga in flight and round.
///
/// # Errors
/// When a file can't be written, or durare can't be built.
pub fn measure(
    folder: &Path,
    each: usize,
    rounds: usize,
    beside_durare: bool,
) -> anyhow::Result<Vec<Measured>> {
    let durare = beside_durare.then(durare::build).transpose()?;
    let mut all = Vec::new();
    for in_flight in IN_FLIGHT {
        // Few at a time are slow: each waits for the disk by itself.
        let each = if in_flight == 1 { each * 4 } else { each };
        let (mut bare, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..rounds {
            let file = |name: &str| folder.join(format!("{name}-{in_flight}-{round}.db"));
            bare.push(bare::sagas_per_second(&file("bare"), in_flight, each)?);
            ours.push(run(&file("sagas"), in_flight, each)?);
            if let (0, Some(durare)) = (round, &durare) {
                // It is so much slower that a tenth, once, tells as much.
                let each = each.div_ceil(10);
                theirs.push(durare::workflows_per_second(
                    durare,
                    &file("durare"),
                    in_flight,
                    each,
                )?);
            }
        }
        let median_of = |of: fn(&Round) -> f64| median(ours.iter().map(of).collect());
        all.push(Measured {
            in_flight,
            bare: median(bare).context("at least one round")?,
            sagas: median_of(|round| round.sagas).context("at least one round")?,
            durare: median(theirs),
            median: median_of(|round| round.median).context("at least one round")?,
            p99: median_of(|round| round.p99).context("at least one round")?,
            fsyncs: disk::fsyncs(in_flight, each).map(|fsyncs| fsyncs / number(in_flight * each)),
            bytes: median_of(|round| round.bytes).context("at least one round")?,
        });
    }
    Ok(all)
}

/// Runs so many sagas once, and nothing else.
///
/// # Errors
/// When the file can't be written.
pub fn once(folder: &Path, in_flight: usize, each: usize) -> anyhow::Result<()> {
    run(&folder.join("once.db"), in_flight, each).map(drop)
}

/// Runs the bare loop once, and nothing else.
///
/// # Errors
/// When the file can't be written.
pub fn bare_once(folder: &Path, in_flight: usize, each: usize) -> anyhow::Result<()> {
    bare::sagas_per_second(&folder.join("bare.db"), in_flight, each).map(drop)
}

fn run(file: &Path, in_flight: usize, each: usize) -> anyhow::Result<Round> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(on_journal(file, in_flight, each))
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

async fn on_journal(file: &Path, in_flight: usize, each: usize) -> anyhow::Result<Round> {
    let journal = Sqlite::open(file).await?;
    let coordinator = Coordinator::builder(Nothing)
        .journal(journal)
        .register::<Three>()
        .start()
        .await?;
    let before = disk::bytes_written();
    let began = Instant::now();
    let mut customers = JoinSet::new();
    for _ in 0..in_flight {
        let coordinator = coordinator.clone();
        customers.spawn(async move {
            let mut took = Vec::with_capacity(each);
            for number in 0..each as u64 {
                let began = Instant::now();
                let saga = Three { number };
                coordinator
                    .execute(SagaId::generate(), saga)
                    .await
                    .map_err(|error| anyhow::anyhow!("{error}"))?;
                took.push(began.elapsed());
            }
            anyhow::Ok(took)
        });
    }
    let mut took = Vec::new();
    while let Some(customer) = customers.join_next().await {
        took.extend(customer??);
    }
    let elapsed = began.elapsed();
    let bytes = disk::bytes_written() - before;
    coordinator.shutdown().await;
    took.sort_unstable();
    let at = |percent: usize| {
        let at = took.get(took.len() * percent / 100);
        at.map(|took| took.as_secs_f64() * 1e3)
            .context("at least one saga ran")
    };
    Ok(Round {
        sagas: number(took.len()) / elapsed.as_secs_f64(),
        median: at(50)?,
        p99: at(99)?,
        bytes: bytes / number(took.len()),
    })
}

/// A count to calculate with; there are far fewer than four thousand million of anything here.
fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
