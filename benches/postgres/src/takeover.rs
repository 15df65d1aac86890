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

/// How long a takeover took, from the end of the first worker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Takeover {
    /// Until it had released its sagas and returned, if it was shut down.
    pub(crate) released: Option<Duration>,
    /// Until the second worker had requested the next step of the last saga.
    pub(crate) requested: Duration,
}

/// Ends one worker with so many sagas, and lets another one go on with them.
pub(crate) fn measure(
    cluster: &Cluster,
    sagas: usize,
    lease: Duration,
    end: End,
) -> anyhow::Result<Takeover> {
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
    let requested = began.elapsed();
    second.go()?;
    second.end()?;
    let released = match end {
        End::Kill => None,
        End::Shutdown => {
            let seconds = first.hear("released")?.parse()?;
            first.end()?;
            Some(Duration::from_secs_f64(seconds))
        }
    };
    Ok(Takeover {
        released,
        requested,
    })
}

/// Some number from 0 to 1.
fn fraction() -> f64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    f64::from(now.map_or(0, |now| now.subsec_micros())) / 1e6
}
