//! Prints what was measured, and if it is enough.

use std::path::PathBuf;
use std::time::Duration;

use crate::Repetitions;
use crate::cluster::Cluster;
use crate::contest::{self, Contestant, Measured};
use crate::figures::figure;
use crate::takeover::{End, Takeover};
use crate::{costs, memory, relay, tables, takeover};

/// How many sagas are in flight at the same time.
const IN_FLIGHT: [usize; 4] = [1, 16, 64, 256];

const LEASE: Duration = Duration::from_secs(30);

fn target(is_met: bool, text: &str) {
    println!("  {}  {text}", if is_met { "met   " } else { "missed" });
}

pub(crate) fn rate(
    cluster: &Cluster,
    peers: Option<&PathBuf>,
    repetitions: &Repetitions,
) -> anyhow::Result<()> {
    let &Repetitions { each, rounds, .. } = repetitions;
    let mut all = Vec::new();
    for in_flight in IN_FLIGHT {
        // Few at a time are slow: each waits for the disk by itself.
        let each = if in_flight == 1 { each * 4 } else { each };
        all.push(contest::measure(cluster, peers, in_flight, each, rounds)?);
    }
    println!(
        "Sagas of three steps; a bare loop with two writers that commits the same rows; the peers. Sagas a second, medians of {rounds} rounds in turn; p50 and p99 in milliseconds.\n"
    );
    print!("{:>10}", "in flight");
    for (contestant, _) in &all[0].rounds {
        print!("{:>30}", contestant.name());
    }
    println!();
    for one in &all {
        print!("{:>10}", one.in_flight);
        for (contestant, _) in &one.rounds {
            if let Some(round) = one.median(*contestant) {
                print!(
                    "{:>10.0}{:>10.1}{:>10.1}",
                    round.sagas, round.p50, round.p99
                );
            }
        }
        println!();
    }
    println!("\nTargets, by the medians of the rounds' ratios:");
    all.iter().for_each(rate_targets);
    for one in all.iter().filter(|one| one.in_flight == 64) {
        for (contestant, _) in &one.rounds {
            if let (Some(row), Some(round)) = (row(*contestant), one.median(*contestant)) {
                figure(row, "sagas/s", format!("{:.0}", round.sagas))?;
                figure(row, "p50", format!("{:.2}", round.p50))?;
                figure(row, "p99", format!("{:.2}", round.p99))?;
            }
        }
    }
    Ok(())
}

/// The row of a contestant in the table of all figures, which has one of this library with one worker.
fn row(contestant: Contestant) -> Option<&'static str> {
    match contestant {
        Contestant::Bare => Some("bare loop, Postgres"),
        Contestant::Ours(1) => Some("saga-runtime, Postgres"),
        Contestant::Ours(_) => None,
        Contestant::Durare => Some("durare, Postgres"),
        Contestant::Dbos | Contestant::Underway => Some(contestant.name()),
    }
}

fn rate_targets(measured: &Measured) {
    let in_flight = measured.in_flight;
    let (bare, ours) = (Contestant::Bare, Contestant::Ours(1));
    for workers in [1, 2] {
        if let Some(share) = measured.ratio(Contestant::Ours(workers), bare) {
            let text = format!(
                "at least 60 % of the bare loop, {in_flight} in flight, {workers} worker(s): {:.0} %",
                share * 100.0
            );
            if in_flight >= 64 {
                target(share >= 0.6, &text);
            } else {
                println!("          {text}");
            }
        }
    }
    if in_flight != 64 {
        return;
    }
    let best = Contestant::PEERS.into_iter().filter_map(|peer| {
        let ratio = measured.ratio(ours, peer)?;
        Some((ratio, peer))
    });
    if let Some((ratio, peer)) = best.min_by(|one, other| one.0.total_cmp(&other.0)) {
        let text = format!(
            "at least 10 times the best peer, {in_flight} in flight: {ratio:.1} times {}",
            peer.name()
        );
        target(ratio >= 10.0, &text);
    }
    for workers in [1, 2] {
        if let Some(round) = measured.median(Contestant::Ours(workers)) {
            let ratio = round.p99 / round.p50;
            let text = format!(
                "p99 at most 4 times p50, {in_flight} in flight, {workers} worker(s): {ratio:.1} times"
            );
            target(ratio <= 4.0, &text);
        }
    }
}

pub(crate) fn costs(
    cluster: &Cluster,
    peers: Option<&PathBuf>,
    repetitions: &Repetitions,
) -> anyhow::Result<()> {
    println!(
        "A saga's share of what the server does: statements; the same with BEGIN and COMMIT, each a round trip; bytes of the write-ahead log; waits for the disk.\n"
    );
    println!(
        "{:>10}{:>12}{:>12}{:>12}{:>12}{:>12}",
        "in flight", "", "statements", "round trips", "WAL bytes", "syncs"
    );
    for in_flight in [1, 64] {
        let each = if in_flight == 1 {
            2 * repetitions.each
        } else {
            repetitions.each / 2
        };
        for one in costs::measure(cluster, peers, in_flight, each)? {
            println!(
                "{:>10}{:>12}{:>12.2}{:>12.2}{:>12.0}{:>12.2}",
                one.in_flight,
                one.contestant.name(),
                one.statements,
                one.round_trips,
                one.wal,
                one.syncs
            );
            if let (64, Some(row)) = (in_flight, row(one.contestant)) {
                figure(row, "disk waits", format!("{:.3}", one.syncs))?;
                figure(row, "bytes", format!("{:.0}", one.wal))?;
            }
            if one.contestant == Contestant::Ours(1) && in_flight == 1 {
                target(one.syncs <= 4.1, "four durable commits for three steps");
            }
        }
    }
    Ok(())
}

pub(crate) fn takeover(cluster: &Cluster, repetitions: &Repetitions) -> anyhow::Result<()> {
    let &Repetitions {
        orphans, takeovers, ..
    } = repetitions;
    let seconds = |time: Duration| time.as_secs_f64();
    println!(
        "From the end of a worker until another one has requested the next step of its last saga, each of {takeovers} times:\n"
    );
    for lease in [Duration::from_secs(3), Duration::from_secs(10), LEASE] {
        let mut most = Duration::ZERO;
        for _ in 0..takeovers {
            let Takeover { requested, .. } = takeover::measure(cluster, orphans, lease, End::Kill)?;
            println!(
                "  killed with {orphans} sagas, a lease of {lease:?}: {:.2} s",
                seconds(requested)
            );
            most = most.max(requested);
        }
        target(
            most <= lease + Duration::from_secs(1),
            "at most the lease and a second",
        );
    }
    for sagas in [1, 100, 1000, orphans] {
        let (mut released, mut all) = (Vec::new(), Vec::new());
        for _ in 0..takeovers {
            let took = takeover::measure(cluster, sagas, LEASE, End::Shutdown)?;
            released.extend(took.released.map(|time| seconds(time) * 1e3));
            all.push(seconds(took.requested) * 1e3);
        }
        released.sort_by(f64::total_cmp);
        all.sort_by(f64::total_cmp);
        println!(
            "  shut down with {sagas} sagas: {all:.0?} ms, all released after {released:.0?} ms"
        );
        if sagas <= 1000 {
            target(
                all.last().is_some_and(|most| *most <= 200.0),
                "at most 200 ms",
            );
        }
    }
    Ok(())
}

pub(crate) fn memory(cluster: &Cluster, repetitions: &Repetitions) -> anyhow::Result<()> {
    let sagas = repetitions.orphans;
    let bytes = memory::in_flight(cluster, sagas)?;
    let future = f64::from(u32::try_from(relay::future_size())?);
    println!(
        "{sagas} sagas in flight: {bytes:.0} bytes of memory each; {:.0} beyond the future of one in process, which has {future}",
        bytes - future
    );
    target(
        bytes - future <= 2048.0,
        "at most 2 KiB each beyond that future",
    );
    let sagas = repetitions.parked;
    let bytes = memory::parked(cluster, sagas)?;
    println!("{sagas} parked sagas: {bytes:.2} bytes of memory each");
    target(bytes < 1.0, "nothing for a parked saga");
    Ok(())
}

pub(crate) fn tables(cluster: &Cluster, repetitions: &Repetitions) -> anyhow::Result<()> {
    let (pieces, piece) = repetitions.churned;
    println!(
        "Tables after so many sagas that were started and purged, in megabytes with their indexes:\n"
    );
    print!("{:>12}", "sagas");
    for table in tables::TABLES {
        print!("{table:>12}");
    }
    println!("{:>12}", "purge");
    for one in tables::churn(cluster, pieces, piece)? {
        print!("{:>12}", one.sagas);
        for size in one.megabytes {
            print!("{size:>12.1}");
        }
        println!("{:>10.1} s", one.purge.as_secs_f64());
    }
    let ended = repetitions.ended;
    let [empty, beside] = tables::claims(cluster, ended, repetitions.claims)?;
    println!(
        "\nA claim of 10 of 100 sagas that wait, median of {}:",
        repetitions.claims
    );
    for (where_, one) in [
        ("in an empty journal", &empty),
        ("beside the ended ones", &beside),
    ] {
        println!(
            "  {where_}: {:.2} ms, of which the claim itself {:.2} ms",
            one.call, one.statement
        );
    }
    let ratio = beside.statement / empty.statement;
    target(
        ratio <= 1.5,
        &format!("at most 1.5 times beside {ended} sagas that have ended: {ratio:.2} times"),
    );
    println!("\n{}", beside.plan);
    Ok(())
}
