//! Sagas a second: this library, a bare loop and the peers, in turn.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::cluster::{Cluster, Database};
use crate::process::Process;

/// The runner of the three steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contestant {
    Bare,
    /// This library, with so many worker processes.
    Ours(usize),
    Durare,
    Dbos,
    Underway,
}

impl Contestant {
    pub(crate) const PEERS: [Self; 3] = [Self::Durare, Self::Dbos, Self::Underway];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Ours(1) => "ours",
            Self::Ours(_) => "ours, 2 workers",
            Self::Durare => "durare",
            Self::Dbos => "dbos",
            Self::Underway => "underway",
        }
    }

    fn processes(self) -> usize {
        match self {
            Self::Ours(workers) => workers,
            _ => 1,
        }
    }

    fn command(self, peers: &Path) -> anyhow::Result<Command> {
        Ok(match self {
            Self::Bare | Self::Ours(_) => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg(if self == Self::Bare { "bare" } else { "work" });
                command
            }
            Self::Durare | Self::Dbos | Self::Underway => Command::new(peers.join(self.name())),
        })
    }
}

/// The results of one round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    /// Sagas per second.
    pub(crate) sagas: f64,
    /// Half of the sagas took no longer, in milliseconds.
    pub(crate) p50: f64,
    /// All but one of a hundred sagas took no longer, in milliseconds.
    pub(crate) p99: f64,
}

/// All that was measured with so many sagas in flight: a round after the other, for each contestant.
pub(crate) struct Measured {
    pub(crate) in_flight: usize,
    pub(crate) rounds: Vec<(Contestant, Vec<Round>)>,
}

impl Measured {
    /// The median of the rounds of a contestant.
    pub(crate) fn median(&self, contestant: Contestant) -> Option<Round> {
        let (_, rounds) = self.rounds.iter().find(|(one, _)| *one == contestant)?;
        let of = |of: fn(&Round) -> f64| median(rounds.iter().map(of).collect());
        Some(Round {
            sagas: of(|round| round.sagas)?,
            p50: of(|round| round.p50)?,
            p99: of(|round| round.p99)?,
        })
    }

    /// The median of the ratios of two contestants within a round.
    pub(crate) fn ratio(&self, one: Contestant, other: Contestant) -> Option<f64> {
        let rounds = |of| self.rounds.iter().find(|(one, _)| *one == of);
        let (one, other) = (&rounds(one)?.1, &rounds(other)?.1);
        let pairs = one.iter().zip(other);
        median(pairs.map(|(one, other)| one.sagas / other.sagas).collect())
    }
}

pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Measures with so many in flight; `each` is the number of sagas per saga in flight and round.
pub(crate) fn measure(
    cluster: &Cluster,
    peers: Option<&PathBuf>,
    in_flight: usize,
    each: usize,
    rounds: usize,
) -> anyhow::Result<Measured> {
    let mut contestants = vec![Contestant::Bare, Contestant::Ours(1), Contestant::Ours(2)];
    if peers.is_some() {
        contestants.extend(Contestant::PEERS);
    }
    let folder = peers.map_or(Path::new(""), PathBuf::as_path);
    let mut all: Vec<_> = contestants.iter().map(|one| (*one, Vec::new())).collect();
    for number in 0..rounds {
        let count = all.len();
        for index in 0..count {
            // Each round begins with another one, so that nothing always comes behind the same.
            let (contestant, rounds) = &mut all[(index + number) % count];
            eprintln!(
                "{in_flight} in flight, round {}: {}",
                number + 1,
                contestant.name()
            );
            let each = match contestant {
                // They are slow, and fewer say as much.
                Contestant::Durare | Contestant::Dbos | Contestant::Underway => each.div_ceil(8),
                Contestant::Bare | Contestant::Ours(_) => each,
            };
            let database = cluster.database()?;
            rounds.push(round(&database, *contestant, folder, in_flight, each)?);
        }
    }
    Ok(Measured {
        in_flight,
        rounds: all,
    })
}

/// Lets one contestant run.
pub(crate) fn round(
    database: &Database<'_>,
    contestant: Contestant,
    peers: &Path,
    in_flight: usize,
    each: usize,
) -> anyhow::Result<Round> {
    let count = contestant.processes();
    let mut processes = Vec::new();
    for index in 0..count {
        let share = in_flight / count + usize::from(index < in_flight % count);
        let mut command = contestant.command(peers)?;
        command
            .arg(database.url())
            .args([share.to_string(), each.to_string()]);
        let mut process = Process::start(&mut command)?;
        process.hear("ready")?;
        processes.push(process);
    }
    for process in &mut processes {
        process.go()?;
    }
    let (mut seconds, mut took) = (0.0_f64, Vec::new());
    for mut process in processes {
        let line = process.line()?;
        let numbers = line.split(' ').map(str::parse::<f64>);
        let mut numbers = numbers.collect::<Result<Vec<_>, _>>()?.into_iter();
        seconds = seconds.max(numbers.next().context("the time of all")?);
        took.extend(numbers);
        process.end()?;
    }
    took.sort_by(f64::total_cmp);
    let at = |percent: usize| {
        let took = took.get(took.len() * percent / 100);
        took.map(|micros| micros / 1e3)
            .context("at least one saga ran")
    };
    Ok(Round {
        sagas: f64::from(u32::try_from(took.len())?) / seconds,
        p50: at(50)?,
        p99: at(99)?,
    })
}
