//! Several processes run the sagas of one database. They are killed, frozen for longer than their lease, and cut off; the clocks of
//! two of them are an hour off; the server goes away without a word, and its standby takes its place. At the end each saga has
//! ended once, and each effect is there once or undone.
//!
//! `WORKERS_ROUNDS` asks for more than the usual 33 rounds.

mod check;
mod fleet;
mod proxy;
#[expect(dead_code, reason = "the parent only looks at the file")]
mod sagas;
mod servers;

use std::time::{Duration, Instant};

use fastrand::Rng;

use check::{Found, check, finish};
use fleet::{Fleet, LEASE};
use proxy::Cut;
use servers::Servers;

const WORKERS: usize = 6;

/// The workers that are frozen in a round. The others go on.
const ZOMBIES: usize = 2;

/// The kills before the frozen workers go on, and the kills after that.
const KILLS: [usize; 2] = [4, 3];

/// The rounds between two failovers.
const FAILOVER: usize = 10;

/// The longest time of a round, on a machine that has much else to do.
const ROUND: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
struct Counts {
    kills: usize,
    zombies: usize,
    zombies_in_a_commit: usize,
    outages: usize,
    failovers: usize,
    killed_in_a_commit: usize,
    killed_connections: usize,
}

/// A run. It is told at its end, whatever that is.
struct Run {
    seed: u64,
    random: Rng,
    began: Instant,
    counts: Counts,
    servers: Servers,
    fleet: Fleet,
    found: Option<Found>,
}

impl Drop for Run {
    fn drop(&mut self) {
        let cuts = Cut::ALL.map(|cut| format!("{cut:?}: {}", self.fleet.proxy.done(cut)));
        println!(
            "SEED={}: {:?}, {}, {} late messages, {} workers, {} sagas acknowledged, {:.0} s: {}",
            self.seed,
            self.counts,
            cuts.join(", "),
            self.fleet.proxy.late(),
            self.fleet.generations,
            self.fleet.acknowledged(),
            self.began.elapsed().as_secs_f64(),
            match &self.found {
                Some(found) if found.is_fine() => {
                    format!(
                        "of {} sagas nothing is lost, nothing left over",
                        found.sagas
                    )
                }
                Some(found) => format!("{} lost, {} wrong", found.lost.len(), found.wrong.len()),
                None => "it has not come to its end".to_owned(),
            },
        );
    }
}

impl Run {
    /// Starts a server with these settings and its workers. Returns when a saga runs.
    async fn start(settings: &[&'static str]) -> Self {
        let seed = std::env::var("SEED").ok();
        let seed = seed.and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| fastrand::u64(..));
        println!("SEED={seed}");
        let began = Instant::now();
        let servers = Servers::start(settings);
        let fleet = Fleet::start(WORKERS, servers.url());
        let run = Self {
            seed,
            random: Rng::with_seed(seed),
            began,
            counts: Counts::default(),
            servers,
            fleet,
            found: None,
        };
        run.go_on(1).await;
        run
    }

    /// Waits until so many more sagas are acknowledged.
    async fn go_on(&self, sagas: usize) {
        let before = self.fleet.acknowledged();
        let go_on = async {
            while self.fleet.acknowledged() < before + sagas {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let go_on = tokio::time::timeout(Duration::from_mins(1), go_on).await;
        let complaints = self.fleet.complaints();
        go_on.unwrap_or_else(|_| panic!("no saga is acknowledged any more: {}", last(&complaints)));
    }

    /// Adds a standby. The primary waits for it.
    async fn replicate(&mut self) {
        self.servers.add_standby().await;
        self.servers.wait_for_the_standby().await;
    }

    async fn pause(&mut self, shortest: u64, longest: u64) {
        let pause = self.random.u64(shortest..longest);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }

    async fn round(&mut self, number: usize) {
        let mut slots: Vec<_> = (0..WORKERS).collect();
        self.random.shuffle(&mut slots);
        let (zombies, others) = slots.split_at(ZOMBIES);
        for zombie in zombies {
            let is_committing = self.fleet.freeze(*zombie, self.random.bool()).await;
            self.counts.zombies_in_a_commit += usize::from(is_committing);
        }
        let frozen = Instant::now();
        // In every other round the connections of the frozen workers survive.
        let goes_early = number.is_multiple_of(2);
        if goes_early {
            self.server_goes(number).await;
        }
        self.kill(others, KILLS[0]).await;
        let longest = LEASE + Duration::from_millis(self.random.u64(150..300));
        tokio::time::sleep(longest.saturating_sub(frozen.elapsed())).await;
        for zombie in zombies {
            self.fleet.thaw(*zombie);
            self.counts.zombies += 1;
        }
        // They meet the workers that hold their sagas now, and then they may be killed as well.
        self.pause(20, 150).await;
        self.kill(&slots, KILLS[1]).await;
        self.counts.killed_connections += self.servers.kill_connections().await;
        if !goes_early {
            self.server_goes(number).await;
        }
        self.go_on(20).await;
    }

    /// Kills workers in these slots, and cuts connections meanwhile.
    async fn kill(&mut self, slots: &[usize], kills: usize) {
        for _ in 0..kills {
            for cut in Cut::ALL {
                if self.random.bool() {
                    self.fleet.proxy.cut(cut);
                }
            }
            self.counts.killed_in_a_commit += self.servers.kill_in_commit().await;
            self.pause(10, 70).await;
            if let Some(slot) = self.random.choice(slots) {
                self.fleet.kill(*slot);
                self.counts.kills += 1;
            }
        }
    }

    /// The server goes away without a word. It comes back, or its standby takes its place.
    async fn server_goes(&mut self, number: usize) {
        if number % FAILOVER == FAILOVER - 1 {
            self.servers.fail_over();
            self.counts.failovers += 1;
            self.fleet.proxy.lead_to(self.servers.url());
            self.replicate().await;
        } else {
            let pause = Duration::from_millis(self.random.u64(20..150));
            self.servers.outage(pause).await;
            self.counts.outages += 1;
        }
    }

    /// Lets a last worker finish what is open, and checks all.
    async fn end(&mut self) -> &Found {
        self.fleet.end();
        let url = self.servers.url().to_owned();
        let unfinished = finish(&self.fleet, &url).await;
        let mut found = check(&url, self.fleet.folder()).await;
        found.wrong.extend(unfinished);
        let complaints = self.fleet.complaints();
        let panics = complaints
            .lines()
            .filter(|line| line.contains("panicked at"));
        found.wrong.extend(panics.map(str::to_owned));
        self.found.insert(found)
    }
}

/// The end of a text.
fn last(text: &str) -> &str {
    let lines = text.rmatch_indices('\n').nth(20);
    &text[lines.map_or(0, |(at, _)| at)..]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_may_be_killed_frozen_and_cut_off() {
    let rounds = std::env::var("WORKERS_ROUNDS").ok();
    let rounds: usize = rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(33);
    let mut run = Run::start(&[]).await;
    run.replicate().await;
    for number in 0..rounds {
        let round = tokio::time::timeout(ROUND, run.round(number)).await;
        round.unwrap_or_else(|_| panic!("round {number} has no end"));
    }
    let found = run.end().await;
    assert!(found.is_fine(), "{found:#?}");
    let counts = &run.counts;
    assert_eq!(counts.kills, rounds * (KILLS[0] + KILLS[1]));
    assert_eq!(counts.zombies, rounds * ZOMBIES);
    assert_eq!(counts.outages + counts.failovers, rounds);
    assert!(counts.killed_in_a_commit > 0, "{counts:?}");
    assert!(
        counts.zombies_in_a_commit > counts.zombies / 4,
        "{counts:?}"
    );
    assert!(run.fleet.proxy.late() >= rounds / 10);
    assert!(
        Cut::ALL
            .iter()
            .all(|cut| run.fleet.proxy.done(*cut) > rounds / 2)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_found_if_the_server_forgets_what_it_has_acknowledged() {
    let mut run = Run::start(&[
        "-c",
        "synchronous_commit=off",
        // As if it wrote nothing before its end.
        "-c",
        "wal_writer_delay=10s",
        "-c",
        "wal_writer_flush_after=1GB",
    ])
    .await;
    run.servers.add_standby().await;
    run.go_on(50).await;
    run.servers.fail_over();
    run.counts.failovers += 1;
    run.fleet.proxy.lead_to(run.servers.url());
    run.go_on(50).await;
    let found = run.end().await;
    assert!(
        !found.lost.is_empty(),
        "the standby has what it was never sent"
    );
}
