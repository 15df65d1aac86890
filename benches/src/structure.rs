//! What structure costs: a fan-out per item, in process and on a journal in memory; and sagas that sleep, which are rows.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use saga_runtime::coordinator::Registrable;
use saga_runtime::journal::{Filter, Memory, Sqlite, State};
use saga_runtime::{Context, Coordinator, saga, sleep, step, try_join_all};
use tokio::runtime::{Builder, Runtime};

/// The sagas need nothing.
struct Nothing;

#[step(compensate = forget)]
async fn note(_cx: Context<'_, Nothing>, item: u32) -> Result<u32, String> {
    Ok(item)
}

async fn forget(_cx: Context<'_, Nothing>, _item: &u32) -> Result<(), String> {
    Ok(())
}

saga!(
    async fn note_all(cx: Context<'_, Nothing>, items: u32) -> Result<usize, String> {
        let noted = try_join_all(16, 0..items, |item| note(cx, item)).await?;
        Ok(noted.len())
    }
);

saga!(
    async fn nap(cx: Context<'_, Nothing>, hours: u64) -> Result<(), String> {
        note(cx, 1).await?;
        sleep(cx, Duration::from_hours(hours)).await;
        Ok(())
    }
);

#[step(retriable, retry(backoff = "24h..24h"))]
async fn mail(_cx: Context<'_, Nothing>) -> Result<(), String> {
    Err("the server is down".to_owned())
}

saga!(
    async fn mailing(cx: Context<'_, Nothing>) -> Result<(), String> {
        note(cx, 1).await?;
        mail(cx).await?;
        Ok(())
    }
);

/// A fan-out over so many items: the time of each of them.
#[derive(Debug, Clone, Copy)]
pub struct FanOut {
    /// How many.
    pub items: u32,
    /// In process.
    pub in_process: Duration,
    /// On a journal in memory.
    pub journaled: Duration,
}

/// Measures fan-outs; the median of so many runs.
///
/// # Errors
/// If a saga fails.
pub fn fan_outs(runs: usize) -> anyhow::Result<Vec<FanOut>> {
    let runtime = runtime()?;
    let measure = |items: u32| {
        let in_process = median(runs, || runtime.block_on(in_process(items)))?;
        let journaled = median(runs, || runtime.block_on(journaled(items)))?;
        Ok(FanOut {
            items,
            in_process: in_process / items,
            journaled: journaled / items,
        })
    };
    [100, 1_000, 10_000].into_iter().map(measure).collect()
}

async fn in_process(items: u32) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let noted = NoteAll { items }.execute(&Nothing).await;
    noted.map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(began.elapsed())
}

async fn journaled(items: u32) -> anyhow::Result<Duration> {
    let builder = Coordinator::builder(Nothing).journal(Memory::new());
    let coordinator = builder.register::<NoteAll>().start().await?;
    let began = Instant::now();
    let noted = coordinator.execute("one", NoteAll { items }).await;
    noted.map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(began.elapsed())
}

/// Sagas that wait on an SQLite journal.
#[derive(Debug, Clone, Copy)]
pub struct Sleeping {
    /// How many.
    pub sagas: usize,
    /// Until all of them waited.
    pub took: Duration,
    /// The tasks that were alive then.
    pub tasks: usize,
    /// By how much the resident memory of the process grew meanwhile, in bytes.
    pub memory: u64,
}

/// Puts so many sagas to sleep.
///
/// # Errors
/// When a file can't be written.
pub fn sleeping(folder: &Path, sagas: usize) -> anyhow::Result<Sleeping> {
    waiting(&folder.join("sleeping.db"), sagas, || Nap { hours: 24 })
}

/// Lets so many sagas wait for the next attempt of a step that fails.
///
/// # Errors
/// When a file can't be written.
pub fn backing_off(folder: &Path, sagas: usize) -> anyhow::Result<Sleeping> {
    waiting(&folder.join("backing_off.db"), sagas, || Mailing {})
}

fn waiting<G: Registrable<Nothing>>(
    file: &Path,
    sagas: usize,
    saga: fn() -> G,
) -> anyhow::Result<Sleeping> {
    let runtime = runtime()?;
    runtime.block_on(async {
        let journal = Sqlite::open(file).await?;
        let builder = Coordinator::builder(Nothing).journal(journal);
        let coordinator = builder.register::<G>().start().await?;
        let (began, before) = (Instant::now(), resident()?);
        let mut submitting = tokio::task::JoinSet::new();
        for number in 0..sagas {
            while submitting.len() >= 256 {
                submitting.join_next().await.context("one of them")???;
            }
            let coordinator = coordinator.clone();
            submitting.spawn(async move {
                let submitted = coordinator.submit(format!("saga-{number}"), saga());
                submitted.await.map(drop).map_err(anyhow::Error::from)
            });
        }
        while let Some(submitted) = submitting.join_next().await {
            submitted??;
        }
        let awake = Filter::default().state(State::Running).limit(1);
        while !coordinator.list(&awake).await?.sagas.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(Sleeping {
            sagas,
            took: began.elapsed(),
            tasks: tokio::runtime::Handle::current()
                .metrics()
                .num_alive_tasks(),
            memory: resident()?.saturating_sub(before),
        })
    })
}

/// The resident memory of this process, in bytes.
fn resident() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kilobytes: u64 = kilobytes.context("the system tells it")?.trim().parse()?;
    Ok(1024 * kilobytes)
}

fn median(
    runs: usize,
    mut run: impl FnMut() -> anyhow::Result<Duration>,
) -> anyhow::Result<Duration> {
    let mut all = (0..runs)
        .map(|_| run())
        .collect::<anyhow::Result<Vec<_>>>()?;
    all.sort_unstable();
    Ok(all[runs / 2])
}

fn runtime() -> anyhow::Result<Runtime> {
    Ok(Builder::new_multi_thread().enable_all().build()?)
}
