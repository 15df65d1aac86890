//! The memory of a worker with many sagas.

use anyhow::Context as _;

use crate::cluster::Cluster;
use crate::process::Process;

/// The bytes of memory of a worker for each of so many sagas that are in flight.
pub(crate) fn in_flight(cluster: &Cluster, sagas: usize) -> anyhow::Result<f64> {
    eprintln!("{sagas} sagas in flight");
    let database = cluster.database()?;
    let mut worker = Process::this(&["keep", database.url(), &sagas.to_string(), "30000"])?;
    worker.hear("ready")?;
    let before = resident(&worker)?;
    worker.go()?;
    worker.hear("held")?;
    let after = resident(&worker)?;
    Ok((after - before) / f64::from(u32::try_from(sagas)?))
}

/// The bytes of memory of a worker for each of so many sagas that sleep, beside a worker with a tenth of them: at its start it reads some.
pub(crate) fn parked(cluster: &Cluster, sagas: usize) -> anyhow::Result<f64> {
    eprintln!("{sagas} parked sagas");
    let mut memory = Vec::new();
    let few = sagas / 10;
    for parked in [few, sagas] {
        let database = cluster.database()?;
        // The tables are there when the worker has begun.
        let mut first = Process::this(&["keep", database.url(), "1", "3000"])?;
        first.hear("ready")?;
        drop(first);
        database.run(FILL.replace("{sagas}", &parked.to_string()))?;
        let mut worker = Process::this(&["keep", database.url(), "1", "3000"])?;
        worker.hear("ready")?;
        // Several of its polls.
        std::thread::sleep(std::time::Duration::from_secs(5));
        memory.push(resident(&worker)?);
    }
    Ok((memory[1] - memory[0]) / f64::from(u32::try_from(sagas - few)?))
}

/// Sagas that have slept since their first step, and sleep for another year.
const FILL: &str = "
SET search_path = saga;
INSERT INTO sagas (id, name, version, fingerprint, input, started_at)
SELECT 'parked-' || n, 'passing', 1, 17, '{\"number\":3}', now() FROM generate_series(1, {sagas}) n;
INSERT INTO entries (saga, seq, at, event, step, occurrence, kind, attempts, payload)
SELECT number, 2, started_at, 'step_done', 'leave', 0, 'nothing_to_undo', 1, '3' FROM sagas;
INSERT INTO open_sagas (number, name, epoch, wake_at) SELECT number, name, 1, now() + interval '1 year' FROM sagas;
ANALYZE;
";

/// The resident memory of a process, in bytes.
fn resident(process: &Process) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id()))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kilobytes: f64 = kilobytes.context("the system tells it")?.trim().parse()?;
    Ok(1024.0 * kilobytes)
}
