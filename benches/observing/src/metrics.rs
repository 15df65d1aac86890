//! The cost of metrics: the same program with the feature and without it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};
use saga_runtime::journal::Sqlite;

use crate::load;
use crate::rounds::Rounds;

const IN_FLIGHT: usize = 256;

/// Measures this program beside the other one, and prints both.
pub(crate) fn measure(without: &Path, rounds: usize) -> anyhow::Result<()> {
    if !cfg!(feature = "metrics") {
        bail!(
            "this program is built without the feature `metrics`: use `benches/observing/run metrics`"
        );
    }
    let with = std::env::current_exe()?;
    let mut speed = Rounds::default();
    for _ in 0..rounds {
        speed.without.push(run(without)?);
        speed.with.push(run(&with)?);
    }
    println!("metrics, {IN_FLIGHT} in flight on a file, sagas per second: {speed}");
    let mut instructions = Rounds::default();
    for _ in 0..3 {
        instructions.without.push(instructions_per_saga(without)?);
        instructions.with.push(instructions_per_saga(&with)?);
    }
    println!("metrics, {IN_FLIGHT} in flight on a file, instructions per saga: {instructions}");
    Ok(())
}

fn run(program: &Path) -> anyhow::Result<f64> {
    let output = Command::new(program).args(once_of(100)).output()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    printed.trim().parse().with_context(|| {
        format!(
            "it printed {printed:?}, {}",
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

fn once_of(each: usize) -> [String; 3] {
    ["once".to_owned(), IN_FLIGHT.to_string(), each.to_string()]
}

/// The instructions of a saga in user space: in the difference of two runs, the start of the process cancels out.
fn instructions_per_saga(program: &Path) -> anyhow::Result<f64> {
    let (few, many) = (8, 24);
    let count = |each| -> anyhow::Result<f64> {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(program)
            .args(once_of(each))
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
pub(crate) fn once(in_flight: usize, each: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let speed = runtime.block_on(async {
        let _scraped = scraped()?;
        let coordinator = load::start(Sqlite::open(folder.path().join("sagas.db")).await?).await?;
        let speed = load::sagas_per_second(&coordinator, in_flight, each).await;
        coordinator.shutdown().await;
        speed
    })?;
    println!("{speed}");
    Ok(())
}

/// A recorder that is read every second: more often than any server of Prometheus does.
#[cfg(feature = "metrics")]
fn scraped() -> anyhow::Result<tokio::task::JoinHandle<()>> {
    use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(
            Matcher::Suffix("_seconds".to_owned()),
            saga_runtime::metrics::SECONDS,
        )?
        .install_recorder()?;
    Ok(tokio::spawn(async move {
        loop {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            drop(handle.render());
        }
    }))
}

#[cfg(not(feature = "metrics"))]
#[expect(clippy::unnecessary_wraps, reason = "with the feature it can fail")]
fn scraped() -> anyhow::Result<()> {
    Ok(())
}
