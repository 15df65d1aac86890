//! Several processes run the sagas of one database. They are killed, frozen for longer than their lease, and cut off, and the
//! server goes away without a word. At the end each saga has ended once, and each effect is there once or undone.
//!
//! `WORKERS_ROUNDS` asks for more than the usual 10 rounds.

#[expect(dead_code, reason = "the parent only looks at the file")]
mod sagas;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fastrand::Rng;
use saga_runtime::journal::{Filter, Journal as _, Postgres, State};
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;
use test_postgres::Server;

use sagas::STEPS;

const WORKERS: usize = 3;

/// Longer than the lease of a worker.
const FROZEN: Duration = Duration::from_millis(1800);

#[derive(Debug, Default)]
struct Counts {
    kills: usize,
    zombies: usize,
    outages: usize,
    cuts: usize,
}

struct Workers {
    url: String,
    folder: TempDir,
    children: Vec<Child>,
    generations: usize,
}

impl Workers {
    fn start(&mut self) -> Child {
        self.generations += 1;
        start(&self.url, self.folder.path(), Some(self.generations))
    }

    /// Kills a worker, and starts another one in its place.
    fn kill(&mut self, number: usize) {
        end(&mut self.children[number]);
        self.children[number] = self.start();
    }

    /// Starts the workers again that found no server.
    fn mend(&mut self) {
        for number in 0..self.children.len() {
            if matches!(self.children[number].try_wait(), Ok(Some(_))) {
                self.children[number] = self.start();
            }
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.children.iter_mut().for_each(end);
    }
}

fn start(url: &str, folder: &Path, starts: Option<usize>) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_workers-child"));
    command.arg(url).arg(folder).stdin(Stdio::null());
    // An outage makes them complain, which is as it should be.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(number) = starts {
        command.args(["--starts", &format!("worker-{number}")]);
    }
    command.spawn().expect("the worker starts")
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn signal(child: &Child, signal: &str) {
    let sent = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(sent.is_ok_and(|status| status.success()), "{signal}");
}

async fn cut(url: &str) {
    // The server may be just starting.
    let Ok(mut connection) = PgConnection::connect(url).await else {
        return;
    };
    let _ = sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' AND random() < 0.5",
    )
    .execute(&mut connection)
    .await;
}

async fn round(workers: &mut Workers, server: &Server, random: &mut Rng, counts: &mut Counts) {
    let zombie = random.usize(..WORKERS);
    workers.mend();
    signal(&workers.children[zombie], "-STOP");
    let frozen = Instant::now();
    if counts.zombies.is_multiple_of(2) {
        server.crash();
        tokio::time::sleep(Duration::from_millis(random.u64(50..400))).await;
        server.restart();
        counts.outages += 1;
    }
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(random.u64(150..450))).await;
        cut(&workers.url).await;
        counts.cuts += 1;
        tokio::time::sleep(Duration::from_millis(random.u64(0..100))).await;
        workers.mend();
        let victim = (zombie + random.usize(1..WORKERS)) % WORKERS;
        workers.kill(victim);
        counts.kills += 1;
    }
    tokio::time::sleep(FROZEN.saturating_sub(frozen.elapsed())).await;
    signal(&workers.children[zombie], "-CONT");
    counts.zombies += 1;
    // It meets the workers that hold its sagas now.
    tokio::time::sleep(Duration::from_millis(random.u64(100..600))).await;
    if random.bool() {
        workers.kill(zombie);
        counts.kills += 1;
    }
}

/// Waits until a last worker has ended all that is open.
async fn finish(url: &str, folder: &Path) {
    let mut last = start(url, folder, None);
    let end_of_time = Instant::now() + Duration::from_mins(1);
    let open = loop {
        let mut connection = PgConnection::connect(url)
            .await
            .expect("the server is back");
        let open: i64 = sqlx::query_scalar("SELECT count(*) FROM saga.open_sagas")
            .fetch_one(&mut connection)
            .await
            .expect("the table is there");
        if open == 0 || Instant::now() > end_of_time {
            break open;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    end(&mut last);
    assert_eq!(open, 0, "some sagas never end");
}

/// Checks all sagas; says how many there are.
async fn check(url: &str, folder: &Path) -> usize {
    let journal = Postgres::connect(url).await.expect("the database works");
    let database =
        rusqlite::Connection::open(folder.join("service.db")).expect("the file is there");
    let mut effects: HashMap<String, u32> = HashMap::new();
    let mut select = database
        .prepare("SELECT saga, count(*) FROM effects WHERE answer = 'done' GROUP BY saga")
        .expect("the table is there");
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    for row in rows.expect("it can be read") {
        let (saga, count) = row.expect("a saga and a number");
        effects.insert(saga, count);
    }
    let mut states = HashMap::new();
    let mut filter = Filter::default().limit(1000);
    loop {
        let page = journal.list(&filter).await.expect("the journal works");
        let sagas = page.sagas.into_iter();
        states.extend(sagas.map(|saga| (saga.saga.id.to_string(), saga.state)));
        let Some(next) = page.next else { break };
        filter.after = Some(next);
    }
    for (id, state) in &states {
        let done = effects.remove(id).unwrap_or(0);
        match state {
            State::Completed => assert_eq!(done, STEPS, "{id} is completed"),
            State::Compensated => assert_eq!(done, 0, "{id} is compensated"),
            other => panic!("{id} is {other}"),
        }
    }
    assert!(effects.is_empty(), "effects of unknown sagas: {effects:?}");
    let started = std::fs::read_to_string(folder.join("started")).expect("the list is there");
    let started: HashSet<_> = started.lines().collect();
    let lost: Vec<_> = started
        .iter()
        .filter(|id| !states.contains_key(**id))
        .collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    // Numbers without gaps, and one end per saga, as its last entry.
    let mut connection = PgConnection::connect(url).await.expect("the server works");
    let odd: Vec<i64> = sqlx::query_scalar(
        "SELECT saga FROM saga.entries GROUP BY saga
         HAVING max(seq) - min(seq) + 1 <> count(*) OR min(seq) > 2
             OR count(*) FILTER (WHERE event IN ('completed', 'compensated')) <> 1
             OR max(seq) <> max(seq) FILTER (WHERE event IN ('completed', 'compensated'))",
    )
    .fetch_all(&mut connection)
    .await
    .expect("the table is there");
    assert!(odd.is_empty(), "histories with gaps or two ends: {odd:?}");
    states.len()
}

#[tokio::test]
async fn workers_may_be_killed_frozen_and_cut_off() {
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("SEED={seed}");
    let rounds = std::env::var("WORKERS_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok());
    let rounds: usize = rounds.unwrap_or(10);
    let mut random = Rng::with_seed(seed);
    let began = Instant::now();
    let server = Server::start(&["-c", "fsync=off"]);
    let mut workers = Workers {
        url: server.url().to_owned(),
        folder: TempDir::new().expect("a folder for the test"),
        children: Vec::new(),
        generations: 0,
    };
    for _ in 0..WORKERS {
        let child = workers.start();
        workers.children.push(child);
    }
    let mut counts = Counts::default();
    // At least one saga runs before the first fault.
    let started = workers.folder.path().join("started");
    while std::fs::metadata(&started).map_or(0, |file| file.len()) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for _ in 0..rounds {
        round(&mut workers, &server, &mut random, &mut counts).await;
    }
    workers.children.iter_mut().for_each(end);
    finish(&workers.url, workers.folder.path()).await;
    let sagas = check(&workers.url, workers.folder.path()).await;
    println!(
        "{counts:?}, {} workers, {sagas} sagas, {:.0} s: nothing lost, nothing left over",
        workers.generations,
        began.elapsed().as_secs_f64()
    );
    assert!(counts.kills >= 3 * rounds && counts.zombies == rounds && 2 * counts.outages >= rounds);
}
