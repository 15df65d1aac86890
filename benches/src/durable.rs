//! Sagas of three steps on the SQLite journal, beside a bare loop that commits the same rows in the same groups.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rusqlite::{Connection, params};
use saga_runtime::journal::Sqlite;
use saga_runtime::{Context, Coordinator, SagaId, saga, step};
use tokio::task::JoinSet;

/// Nothing: the steps do none of the work that is measured.
struct Nothing;

#[step(compensate = undo)]
async fn first(_cx: Context<'_, Nothing>, number: u64) -> Result<u64, String> {
    Ok(number + 1)
}

#[step(compensate = undo)]
async fn second(_cx: Context<'_, Nothing>, number: u64) -> Result<u64, String> {
    Ok(number + 1)
}

#[step(compensate = undo)]
async fn third(_cx: Context<'_, Nothing>, number: u64) -> Result<u64, String> {
    Ok(number + 1)
}

async fn undo(_cx: Context<'_, Nothing>, _number: &u64) -> Result<(), String> {
    Ok(())
}

saga!(
    async fn three(cx: Context<'_, Nothing>, number: u64) -> Result<u64, String> {
        let number = first(cx, number).await?;
        let number = second(cx, number).await?;
        third(cx, number).await
    }
);

/// How many sagas are in flight at the same time.
pub const IN_FLIGHT: [usize; 4] = [1, 16, 64, 256];

/// What was measured with so many sagas in flight.
#[derive(Debug, Clone)]
pub struct Measured {
    /// How many at the same time.
    pub in_flight: usize,
    /// Sagas per second of the bare loop, which waits for the disk as often as this library could at best.
    pub bare: f64,
    /// Sagas per second on the journal.
    pub sagas: f64,
    /// Half of the sagas took no longer.
    pub median: Duration,
    /// All but one of a hundred sagas took no longer.
    pub p99: Duration,
    /// Transactions per saga.
    pub commits: f64,
}

/// Measures both in turn, on files in this folder; `each` is how many sagas there are per saga in flight.
///
/// # Errors
/// When a file can't be written.
pub fn measure(folder: &Path, each: usize) -> anyhow::Result<Vec<Measured>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let mut all = Vec::new();
    for in_flight in IN_FLIGHT {
        // Few at a time are slow: each waits for the disk by itself.
        let each = if in_flight == 1 { each * 4 } else { each };
        let bare = bare(
            &folder.join(format!("bare-{in_flight}.db")),
            in_flight,
            each,
        )?;
        let journal = folder.join(format!("sagas-{in_flight}.db"));
        let measured = runtime.block_on(on_journal(&journal, in_flight, each))?;
        all.push(Measured { bare, ..measured });
    }
    Ok(all)
}

async fn on_journal(file: &Path, in_flight: usize, each: usize) -> anyhow::Result<Measured> {
    let journal = Sqlite::open(file).await?;
    let coordinator = Coordinator::builder(Nothing)
        .journal(journal.clone())
        .register::<Three>()
        .start()
        .await?;
    let before = journal.commits();
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
    let commits = journal.commits() - before;
    coordinator.shutdown().await;
    took.sort_unstable();
    let at = |percent: usize| took.get(took.len() * percent / 100).copied();
    Ok(Measured {
        in_flight,
        bare: 0.0,
        sagas: number(took.len()) / elapsed.as_secs_f64(),
        median: at(50).context("at least one saga ran")?,
        p99: at(99).context("at least one saga ran")?,
        commits: number(usize::try_from(commits)?) / number(took.len()),
    })
}

/// The start, three outcomes, and the end with the last of them: five rows in four transactions.
fn bare(file: &Path, in_flight: usize, each: usize) -> anyhow::Result<f64> {
    let connection = Connection::open(file)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000;
         CREATE TABLE rows (number INTEGER PRIMARY KEY, saga TEXT, seq INTEGER, at INTEGER, event TEXT, step TEXT,
             occurrence INTEGER, kind TEXT, attempts INTEGER, code TEXT, message TEXT, payload TEXT)",
    )?;
    let none = None::<String>;
    let began = Instant::now();
    for _ in 0..each {
        let ids: Vec<_> = (0..in_flight).map(|_| SagaId::generate()).collect();
        for seq in 0..4 {
            connection.execute_batch("BEGIN IMMEDIATE")?;
            let mut insert = connection.prepare_cached(
                "INSERT INTO rows (saga, seq, at, event, step, occurrence, kind, attempts, code, message, payload)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?;
            for id in &ids {
                let id = id.as_str();
                let at = 1_795_474_748_123_i64;
                if seq == 0 {
                    let input = "{\"number\":17}";
                    insert.execute(params![
                        id, seq, at, "started", "three", none, none, none, none, none, input
                    ])?;
                    continue;
                }
                insert.execute(params![
                    id,
                    seq,
                    at,
                    "step_done",
                    "first",
                    0,
                    "compensatable",
                    1,
                    none,
                    none,
                    "17"
                ])?;
                if seq == 3 {
                    insert.execute(params![
                        id,
                        4,
                        at,
                        "completed",
                        none,
                        none,
                        none,
                        none,
                        none,
                        none,
                        "17"
                    ])?;
                }
            }
            drop(insert);
            connection.execute_batch("COMMIT")?;
        }
    }
    Ok(number(in_flight * each) / began.elapsed().as_secs_f64())
}

/// A count to calculate with; there are far fewer than four thousand million of anything here.
fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
