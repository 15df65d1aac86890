//! The time until a worker goes on with what another one has left.

use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::process::Process;

/// How the first worker ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Kill,
    Shutdown,
}

/// From the end of one worker until another one has requested the next step of the last of so many sagas.
pub(crate) fn measure(
    cluster: &Cluster,
    sagas: usize,
    lease: Duration,
    end: End,
) -> anyhow::Result<Duration> {
    eprintln!("{sagas} sagas, {end:?}, a lease of {lease:?}");
    let database = cluster.database()?;
    let start = |what: &str| {
        let (sagas, lease) = (sagas.to_string(), lease.as_millis().to_string());
        Process::this(&[what, database.url(), &sagas, &lease])
    };
    let mut first = start("keep")?;
    first.hear("ready")?;
    first.go()?;
    first.hear("held")?;
    let mut second = start("survive")?;
    second.hear("ready")?;
    // The first one ends somewhere between two of its renewals.
    std::thread::sleep(lease.mul_f64(fraction()));
    let began = Instant::now();
    match end {
        End::Kill => first.kill()?,
        End::Shutdown => {
            first.go()?;
            first.hear("passing")?;
        }
    }
    second.hear("arrived")?;
    let took = began.elapsed();
    second.go()?;
    second.end()?;
    if end == End::Shutdown {
        first.end()?;
    }
    Ok(took)
}

/// Some number from 0 to 1.
fn fraction() -> f64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    f64::from(now.map_or(0, |now| now.subsec_micros())) / 1e6
}
