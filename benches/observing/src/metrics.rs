//! The cost of metrics: the same program with the feature and without it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};
use saga_runtime::journal::{Memory, Sqlite};
use tokio::runtime::Builder;

use crate::load;
use crate::rounds::Rounds;

const IN_FLIGHT: usize = 256;
/// How many sagas each customer of a round runs.
const EACH: usize = 100;
const SAGAS: f64 = 25_600.0;

/// Measures this program beside the other one, and prints both.
pub(crate) fn measure(without: &Path, rounds: usize) -> anyhow::Result<()> {
    if !cfg!(feature = "metrics") {
        bail!(
            "this program is built without the feature `metrics`: use `benches/observing/run metrics`"
        );
    }
    let with = std::env::current_exe()?;
    let (mut speed, mut processor) = (Rounds::default(), Rounds::default());
    for _ in 0..rounds {
        for (program, speed, processor) in [
            (without, &mut speed.without, &mut processor.without),
            (&*with, &mut speed.with, &mut processor.with),
        ] {
            let before = processor_time_of_children()?;
            speed.push(run(program)?);
            let spent = processor_time_of_children()? - before;
            processor.push(spent / SAGAS * 1e6);
        }
    }
    println!("metrics, {IN_FLIGHT} in flight on a file, sagas per second: {speed}");
    println!(
        "metrics, {IN_FLIGHT} in flight on a file, microseconds of a processor per saga: {processor}"
    );
    // Alone, the same is done each time: the difference is that of metrics. On a file, what is written together varies.
    let added = instructions_per_saga(&with, true)? - instructions_per_saga(without, true)?;
    let of_saga = instructions_per_saga(without, false)?;
    println!(
        "metrics, {IN_FLIGHT} in flight: {added:.0} instructions more per saga, of {of_saga:.0} on a file: {:+.1} %",
        added / of_saga * 100.0
    );
    Ok(())
}

fn run(program: &Path) -> anyhow::Result<f64> {
    let output = Command::new(program).args(once_of(EACH)).output()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    let speed = printed.trim().parse();
    speed.with_context(|| format!("it printed {printed:?}, {complaint}"))
}

/// The seconds that processors have spent on the processes that this one has waited for. Other programs disturb them least.
fn processor_time_of_children() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(") ").context("the name is in brackets")?;
    let mut times = fields.split(' ').skip(13).map(str::parse::<f64>);
    let mut next = || times.next().context("there are more fields");
    // In hundredths, whatever the clock of the kernel is.
    Ok((next()?? + next()??) / 100.0)
}

fn once_of(each: usize) -> [String; 3] {
    ["once".to_owned(), IN_FLIGHT.to_string(), each.to_string()]
}

/// The instructions of a saga in user space: in the difference of two runs, the start of the process cancels out.
fn instructions_per_saga(program: &Path, alone: bool) -> anyhow::Result<f64> {
    let (few, many) = (8, 24);
    let count = |each| -> anyhow::Result<f64> {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(program)
            .args(once_of(each))
            .args(alone.then_some("--alone"))
            .output()
            .context("valgrind counts the instructions: install it")?;
        let report = String::from_utf8_lossy(&output.stderr);
        let collected = report.split_once("Collected : ");
        let (_, collected) = collected.with_context(|| format!("there is no total:\n{report}"))?;
        let total = collected.split_whitespace().next().unwrap_or_default();
        Ok(total.parse()?)
    };
    #[expect(clippy::cast_precision_loss, reason = "there are few sagas")]
    let sagas = (IN_FLIGHT * (many - few)) as f64;
    Ok((count(many)? - count(few)?) / sagas)
}

/// Runs sagas once, and prints how many end in a second.
pub(crate) fn once(in_flight: usize, each: usize, alone: bool) -> anyhow::Result<()> {
    let mut runtime = if alone {
        Builder::new_current_thread()
    } else {
        Builder::new_multi_thread()
    };
    let folder = tempfile::tempdir()?;
    let speed = runtime.enable_all().build()?.block_on(async {
        let _scraped = scraped(alone)?;
        let coordinator = if alone {
            load::start(Memory::new()).await?
        } else {
            load::start(Sqlite::open(folder.path().join("sagas.db")).await?).await?
        };
        let speed = load::sagas_per_second(&coordinator, in_flight, each).await;
        coordinator.shutdown().await;
        speed
    })?;
    println!("{speed}");
    Ok(())
}

/// A recorder that is read every second, more often than any server of Prometheus does; alone, at the end.
#[cfg(feature = "metrics")]
fn scraped(alone: bool) -> anyhow::Result<Scraped> {
    use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(
            Matcher::Suffix("_seconds".to_owned()),
            saga_runtime::metrics::SECONDS,
        )?
        .install_recorder()?;
    let scraped = handle.clone();
    if !alone {
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                drop(handle.render());
            }
        });
    }
    Ok(Scraped(scraped))
}

/// Is read a last time at the end.
#[cfg(feature = "metrics")]
struct Scraped(metrics_exporter_prometheus::PrometheusHandle);

#[cfg(feature = "metrics")]
impl Drop for Scraped {
    fn drop(&mut self) {
        drop(self.0.render());
    }
}

/// Nothing is counted, so nothing is read.
#[cfg(not(feature = "metrics"))]
struct Scraped;

#[cfg(not(feature = "metrics"))]
#[expect(clippy::unnecessary_wraps, reason = "with the feature it can fail")]
fn scraped(_alone: bool) -> anyhow::Result<Scraped> {
    Ok(Scraped)
}
