//! How long it takes until all sagas that a process has left open are on their way again, beside plain SQL that loads the
//! same rows.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rusqlite::Connection;
use saga_runtime::journal::{Event, Journal, Lease, NewSaga, Sqlite, Started, StepCall, Worker};
use saga_runtime::{Context, Coordinator, Kind, Saga, SagaId, saga, step};
use tokio::sync::Notify;

/// Counts the sagas that have come to their second step.
struct Arrivals {
    expected: usize,
    count: AtomicUsize,
    all: Notify,
}

#[step(compensate = ())]
async fn leave(_cx: Context<'_, Arrivals>, number: u64) -> Result<u64, String> {
    Ok(number)
}

#[step(compensate = ())]
async fn arrive(cx: Context<'_, Arrivals>, number: u64) -> Result<u64, String> {
    if cx.count.fetch_add(1, Ordering::Relaxed) + 1 == cx.expected {
        cx.all.notify_one();
    }
    Ok(number)
}

saga!(
    async fn travel(cx: Context<'_, Arrivals>, number: u64) -> Result<u64, String> {
        let number = leave(cx, number).await?;
        arrive(cx, number).await
    }
);

/// How many sagas a coordinator runs at the same time if it is told nothing.
const IN_FLIGHT: usize = 1000;

/// What was measured, each in a process of its own.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// Loading all rows with plain SQL.
    pub plain: Reading,
    /// From the start of a coordinator until each saga's next step was requested, with a thousand sagas in flight.
    pub recovery: Reading,
    /// The same with all of them in flight.
    pub at_once: Reading,
}

/// What one process says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// Milliseconds.
    pub took: f64,
    /// The most memory that it has had, in MiB, if that can be read.
    pub peak: Option<f64>,
}

/// Leaves so many sagas open after their first step, and measures.
///
/// # Errors
/// When a file can't be written, or a process can't be started.
pub fn measure(folder: &Path, sagas: usize) -> anyhow::Result<Measured> {
    let file = folder.join("recovery.db");
    leave_behind(&file, sagas)?;
    let copy = folder.join("recovery-at-once.db");
    std::fs::copy(&file, &copy)?;
    let plain = reading("load", &file, &[])?;
    let recovery = reading("recover", &file, &[sagas, IN_FLIGHT.min(sagas)])?;
    let at_once = reading("recover", &copy, &[sagas, sagas])?;
    Ok(Measured {
        plain,
        recovery,
        at_once,
    })
}

/// Leaves so many sagas open after their first step.
///
/// # Errors
/// When the file can't be written.
pub fn leave_behind(file: &Path, sagas: usize) -> anyhow::Result<()> {
    runtime()?.block_on(leave_open(file, sagas))
}

/// Loads all rows with plain SQL, and prints how long that took.
///
/// # Errors
/// When the file can't be read.
pub fn print_load(file: &Path) -> anyhow::Result<()> {
    print(load(file)?);
    Ok(())
}

/// Recovers all sagas in a file, and prints how long that took.
///
/// # Errors
/// When the file can't be written.
pub fn print_recovery(file: &Path, sagas: usize, in_flight: usize) -> anyhow::Result<()> {
    print(runtime()?.block_on(recover(file, sagas, in_flight))?);
    Ok(())
}

/// Checks all open sagas in a file against their definition, and prints how long that took.
///
/// # Errors
/// When the file can't be read, or a saga does not fit.
pub fn print_check(file: &Path) -> anyhow::Result<()> {
    let took = runtime()?.block_on(async {
        let arrivals = Arrivals {
            expected: 0,
            count: AtomicUsize::new(0),
            all: Notify::new(),
        };
        let journal = Sqlite::open_read_only(file).await?;
        let begun = Instant::now();
        let builder = Coordinator::builder(arrivals).journal(journal);
        let report = builder.register::<Travel>().check().await?;
        anyhow::ensure!(report.is_fine() && report.checked > 0, "{report}");
        Ok(begun.elapsed())
    })?;
    print(took);
    Ok(())
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}

fn print(took: Duration) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.split_whitespace().next());
    println!("{} {}", took.as_secs_f64() * 1e3, kib.unwrap_or_default());
}

/// Runs this program again, to do one thing.
fn reading(what: &str, file: &Path, numbers: &[usize]) -> anyhow::Result<Reading> {
    let output = Command::new(std::env::current_exe()?)
        .arg(what)
        .arg(file)
        .args(numbers.iter().map(ToString::to_string))
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut words = text.split_whitespace();
    let took = words.next().context("the process says how long it took")?;
    let kib = words.next().and_then(|kib| kib.parse::<f64>().ok());
    Ok(Reading {
        took: took.parse()?,
        peak: kib.map(|kib| kib / 1024.0),
    })
}

async fn leave_open(file: &Path, sagas: usize) -> anyhow::Result<()> {
    let journal = Sqlite::open(file).await?;
    let lease = Lease {
        worker: Worker::generate("1234"),
        duration: Duration::from_hours(1),
    };
    let mut under_way = tokio::task::JoinSet::new();
    for number in 0..sagas {
        let (journal, lease) = (journal.clone(), lease.clone());
        under_way.spawn(async move {
            let new = NewSaga {
                id: SagaId::generate(),
                name: Travel::META.name.to_owned(),
                version: 1,
                fingerprint: Travel::shape().fingerprint(),
                input: format!("{{\"number\":{number}}}"),
                trace: None,
            };
            let Started::New(Some(claim)) = journal.start(new, Some(&lease)).await? else {
                anyhow::bail!("the id is new");
            };
            let step = StepCall {
                name: "leave".into(),
                occurrence: 0,
                kind: Kind::NothingToUndo,
            };
            let done = Event::StepDone {
                step,
                attempts: 1,
                output: number.to_string(),
                inputs: None,
            };
            Ok(journal.append(&claim, 1, vec![done]).await?)
        });
    }
    while let Some(one) = under_way.join_next().await {
        one??;
    }
    Ok(())
}

fn load(file: &Path) -> anyhow::Result<Duration> {
    let connection = Connection::open(file)?;
    let began = Instant::now();
    let mut sagas = connection.prepare("SELECT number, id, name, input FROM sagas")?;
    let mut entries =
        connection.prepare("SELECT seq, event, step, payload FROM entries WHERE saga = ?")?;
    let mut rows = sagas.query([])?;
    let mut loaded = Vec::new();
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        let saga: [String; 3] = [row.get(1)?, row.get(2)?, row.get(3)?];
        let history = entries.query_map([number], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, Option<String>>(2)?,
                row.get::<_, Option<String>>(3)?,
            ))
        })?;
        loaded.push((saga, history.collect::<Result<Vec<_>, _>>()?));
    }
    std::hint::black_box(&loaded);
    Ok(began.elapsed())
}

async fn recover(file: &Path, sagas: usize, in_flight: usize) -> anyhow::Result<Duration> {
    let journal = Sqlite::open(file).await?;
    let arrivals = Arc::new(Arrivals {
        expected: sagas,
        count: AtomicUsize::new(0),
        all: Notify::new(),
    });
    let began = Instant::now();
    let coordinator = Coordinator::builder(Arc::clone(&arrivals))
        .journal(journal)
        .register::<Travel>()
        .in_flight(in_flight)
        .start()
        .await?;
    arrivals.all.notified().await;
    let recovery = began.elapsed();
    coordinator.shutdown().await;
    Ok(recovery)
}
