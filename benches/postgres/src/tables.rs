//! The tables: how large they are after many sagas have come and gone, and what a claim costs beside a million that have ended.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use saga_runtime::journal::{Journal as _, Lease, Postgres, SagaVersion, Wakeup, Worker};

use crate::cluster::{Cluster, Database};
use crate::contest::{Contestant, median, round};

/// The tables that a saga writes.
pub(crate) const TABLES: [&str; 3] = ["sagas", "entries", "open_sagas"];

/// The sizes at one time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// How many sagas have been started so far. All are purged.
    pub(crate) sagas: usize,
    /// Megabytes of each table with its indexes.
    pub(crate) megabytes: [f64; 3],
    /// The time of the last purge.
    pub(crate) purge: Duration,
}

/// Runs so many sagas, a piece after the other, and purges each piece.
pub(crate) fn churn(cluster: &Cluster, pieces: usize, piece: usize) -> anyhow::Result<Vec<Sizes>> {
    const IN_FLIGHT: usize = 256;
    let database = cluster.database()?;
    let each = piece.div_ceil(IN_FLIGHT);
    let mut all = Vec::new();
    for number in 1..=pieces {
        eprintln!("started and purged, piece {number} of {pieces}");
        round(
            &database,
            Contestant::Ours(1),
            Path::new(""),
            IN_FLIGHT,
            each,
        )?;
        let began = Instant::now();
        cluster.runtime().block_on(async {
            let journal = Postgres::connect(database.url()).await?;
            journal.purge(SystemTime::now()).await
        })?;
        let purge = began.elapsed();
        all.push(Sizes {
            sagas: number * each * IN_FLIGHT,
            megabytes: sizes(&database)?,
            purge,
        });
    }
    Ok(all)
}

fn sizes(database: &Database<'_>) -> anyhow::Result<[f64; 3]> {
    let sizes = TABLES.map(|table| format!("pg_total_relation_size('saga.{table}') / 1e6"));
    database.numbers(sizes.each_ref().map(String::as_str))
}

/// A claim of ten sagas of a hundred that wait.
pub(crate) struct ClaimCost {
    /// Milliseconds of the journal's call, with the entries.
    pub(crate) call: f64,
    /// Milliseconds of the server for the claim itself.
    pub(crate) statement: f64,
    /// The plan of the last one.
    pub(crate) plan: String,
}

/// Measures claims in two journals, in turn: one that has nothing else, and one with so many sagas that have ended.
pub(crate) fn claims(
    cluster: &Cluster,
    ended: usize,
    times: usize,
) -> anyhow::Result<[ClaimCost; 2]> {
    eprintln!("claims beside {ended} sagas that have ended");
    let databases = [cluster.database()?, cluster.database()?];
    cluster.runtime().block_on(async {
        for database in &databases {
            Postgres::connect(database.url()).await?;
        }
        anyhow::Ok(())
    })?;
    for (database, ended) in databases.iter().zip([0, ended]) {
        database.run(FILL.replace("{ended}", &ended.to_string()))?;
        database.run("VACUUM ANALYZE")?;
    }
    let mut calls = [Vec::new(), Vec::new()];
    let mut statements = [Vec::new(), Vec::new()];
    let mut plans = [String::new(), String::new()];
    cluster.runtime().block_on(async {
        let mut journals = Vec::new();
        for database in &databases {
            let settings = "-c auto_explain.log_min_duration=0 -c auto_explain.log_analyze=on -c auto_explain.log_timing=off";
            let separator = if database.url().contains('?') { '&' } else { '?' };
            let settings = settings.replace(' ', "%20").replace('=', "%3D");
            let url = format!("{}{separator}options={settings}", database.url());
            journals.push(Postgres::connect(&url).await?);
        }
        let definitions = [SagaVersion { name: "three", version: 1 }];
        let lease = Lease { worker: Worker::generate("bench"), duration: Duration::from_hours(1) };
        for _ in 0..times {
            for (index, journal) in journals.iter().enumerate() {
                let before = cluster.log()?.len();
                let began = Instant::now();
                let claimed = journal.claim(&lease, &definitions, 10).await?;
                calls[index].push(began.elapsed().as_secs_f64() * 1e3);
                anyhow::ensure!(claimed.len() == 10, "ten sagas wait");
                let log = cluster.log()?;
                let (milliseconds, plan) = plan(&log[before..]).context("the server logs plans")?;
                statements[index].push(milliseconds);
                plans[index] = plan;
                for one in claimed {
                    journal.release(&one.claim, false, Wakeup::Now).await?;
                }
            }
        }
        anyhow::Ok(())
    })?;
    let [first, second] = plans;
    let mut costs = Vec::new();
    for ((calls, statements), plan) in calls.into_iter().zip(statements).zip([first, second]) {
        costs.push(ClaimCost {
            call: median(calls).context("at least one claim")?,
            statement: median(statements).context("at least one claim")?,
            plan,
        });
    }
    costs
        .try_into()
        .map_err(|_| anyhow::anyhow!("two journals"))
}

/// The milliseconds and the plan of the claim in a part of the server's log.
fn plan(log: &str) -> Option<(f64, String)> {
    let logged = log
        .split("duration: ")
        .find(|one| one.contains("AS picked_for") || one.contains("picked AS ("))?;
    let milliseconds = logged.split(' ').next()?.parse().ok()?;
    // Lines of the next message begin with its time.
    let lines = logged.lines().skip_while(|line| !line.contains("(cost="));
    let plan = lines.take_while(|line| line.starts_with('\t'));
    Some((milliseconds, plan.collect::<Vec<_>>().join("\n")))
}

/// Sagas that have completed, and a hundred that wait.
const FILL: &str = "
SET search_path = saga;
INSERT INTO sagas (id, name, version, fingerprint, input, started_at)
SELECT 'order-' || n, 'three', 1, 17, '{\"number\":3}', now() FROM generate_series(1, {ended} + 100) n;
INSERT INTO entries (saga, seq, at, event, step, occurrence, kind, attempts, payload)
SELECT number, 1 + step, started_at, 'step_done', 'step' || step, 0, 'compensatable', 1, '3'
FROM sagas, generate_series(1, 3) step WHERE number <= {ended};
INSERT INTO entries (saga, seq, at, event, payload)
SELECT number, 5, started_at, 'completed', '3' FROM sagas WHERE number <= {ended};
INSERT INTO open_sagas (number, name, epoch) SELECT number, name, 0 FROM sagas WHERE number > {ended};
";
