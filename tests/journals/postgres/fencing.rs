//! Random interleavings of workers that lose sagas to each other while their transactions are under way.
//!
//! A gate stands in the transactions of each worker, between the moment when a statement has read and the moment when it
//! commits: a trigger that waits for a lock of the test. What one worker does while another one stands at its gate is
//! chosen by a seed, which a failure prints. `SAGA_FENCING_SEED` runs that one, `SAGA_FENCING_RUNS` more than the usual ones.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::time::Duration;

use fastrand::Rng;
use saga_runtime::SagaId;
use saga_runtime::journal::{
    AppendError, Claim, Claimed, ClaimedOne, Event, Journal, JournalError, Lease, NewSaga,
    Postgres, SagaVersion, Started, Wakeup, Worker,
};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use test_postgres::Server;
use tokio::task::JoinHandle;

use super::mistakes::Rewrite;

const WORKERS: usize = 3;
const SAGAS: usize = 4;
const ACTIONS: usize = 60;

/// A lease that nobody has to respect, so that sagas change hands at any moment.
const NO_TIME: Duration = Duration::ZERO;

/// A worker: its journal, and what it believes it holds.
struct Actor {
    journal: Postgres,
    worker: Worker,
    held: Vec<Held>,
    running: Option<JoinHandle<Done>>,
    /// The saga to which it just appends: it stays with the worker if the answer is lost.
    appending: Option<Held>,
    is_gate_closed: bool,
}

#[derive(Debug, Clone)]
struct Held {
    claim: Claim,
    next: u64,
    /// The entries whose answer is not known: they come first.
    unsure: Option<Vec<Event>>,
    /// Whether the journal has said that it is released.
    is_released: bool,
    is_open: bool,
}

/// The end of what a worker did.
enum Done {
    Nothing,
    Claimed(Vec<Held>),
    Kept(Box<Held>),
    /// The worker was told that these entries are there.
    Appended(Box<Held>, u64, Vec<Event>),
    Failed(String),
}

/// What the test has seen.
#[derive(Default)]
struct Seen {
    started: HashSet<SagaId>,
    /// Each claim was given to one worker.
    claims: HashMap<(SagaId, u64), usize>,
    /// The entries that a worker was told are there.
    acknowledged: Vec<(SagaId, u64, Event)>,
}

fn event(worker: usize, epoch: u64, what: &str) -> Event {
    let output = format!("\"{what} {worker} {epoch} {}\"", fastrand::u64(..));
    match what {
        "completed" => Event::Completed { output },
        _ => Event::Received {
            name: "go".into(),
            payload: output,
            key: None,
        },
    }
}

struct Model {
    rng: Rng,
    control: PgConnection,
    schema: String,
    actors: Vec<Actor>,
    seen: Seen,
    log: String,
}

impl Model {
    async fn new(seed: u64, mistake: Option<Rewrite>) -> Self {
        let schema = format!("fencing_{}_{seed}", std::process::id());
        let server: PgConnectOptions = Server::shared().url().parse().expect("a URL");
        let mut control = PgConnection::connect_with(&server)
            .await
            .expect("the server can be reached");
        let mut actors = Vec::new();
        for number in 0..WORKERS {
            let options = server
                .clone()
                .application_name(&format!("{schema} {number}"))
                .options([("deadlock_timeout", "20ms")]);
            let pool = PgPoolOptions::new()
                .max_connections(4)
                .connect_with(options)
                .await
                .expect("the server can be reached");
            actors.push(Actor {
                journal: open(&schema, pool, mistake).await,
                worker: Worker::new(format!("worker {number}")),
                held: Vec::new(),
                running: None,
                appending: None,
                is_gate_closed: false,
            });
        }
        let gate = format!(
            "CREATE FUNCTION \"{schema}\".gate() RETURNS trigger LANGUAGE plpgsql AS $$
             DECLARE worker int := substring(current_setting('application_name') FROM '^{schema} (\\d+)$');
             BEGIN
                 IF worker IS NOT NULL THEN
                     PERFORM pg_advisory_xact_lock_shared(hashtext('{schema}'), worker);
                 END IF;
                 IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
                 RETURN NEW;
             END $$;
             CREATE TRIGGER gate BEFORE INSERT ON \"{schema}\".entries FOR EACH ROW EXECUTE FUNCTION \"{schema}\".gate();
             CREATE TRIGGER gate BEFORE UPDATE OR DELETE ON \"{schema}\".open_sagas
                 FOR EACH ROW EXECUTE FUNCTION \"{schema}\".gate();
             CREATE TRIGGER gate AFTER INSERT ON \"{schema}\".sagas FOR EACH ROW EXECUTE FUNCTION \"{schema}\".gate();"
        );
        sqlx::raw_sql(AssertSqlSafe(gate))
            .execute(&mut control)
            .await
            .expect("the gates are put up");
        Self {
            rng: Rng::with_seed(seed),
            control,
            schema,
            actors,
            seen: Seen::default(),
            log: String::new(),
        }
    }

    async fn gate(&mut self, actor: usize, is_closed: bool) {
        if self.actors[actor].is_gate_closed == is_closed {
            return;
        }
        let function = if is_closed {
            "pg_try_advisory_lock"
        } else {
            "pg_advisory_unlock"
        };
        let sql = format!("SELECT {function}(hashtext($2), $1)");
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(i32::try_from(actor).expect("a small number"))
            .bind(&self.schema)
            .fetch_one(&mut self.control)
            .await
            .expect("the gate moves");
        // A gate through which something just goes stays open.
        if row.get::<bool, _>(0) {
            self.actors[actor].is_gate_closed = is_closed;
        }
    }

    /// Whether the transactions of a worker are all over, or stand at its gate or at a row of another worker.
    async fn settle(&mut self, actor: usize) {
        let name = format!("{} {actor}", self.schema);
        loop {
            if self.actors[actor]
                .running
                .as_ref()
                .is_none_or(JoinHandle::is_finished)
            {
                return;
            }
            let waiting: bool = sqlx::query_scalar(
                "SELECT EXISTS (SELECT FROM pg_stat_activity
                                WHERE application_name = $1 AND state = 'active' AND wait_event_type = 'Lock')",
            )
            .bind(&name)
            .fetch_one(&mut self.control)
            .await
            .expect("the server answers");
            if waiting {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Ends the connections of a worker, whatever they do.
    async fn cut(&mut self, actor: usize) {
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1",
        )
        .bind(format!("{} {actor}", self.schema))
        .execute(&mut self.control)
        .await
        .expect("connections can be ended");
    }

    /// Takes the answer of what a worker did.
    async fn finish(&mut self, number: usize) {
        let Some(running) = self.actors[number].running.take() else {
            return;
        };
        let appending = self.actors[number].appending.take();
        match running.await {
            Ok(Done::Claimed(claimed)) => {
                for held in claimed {
                    let key = (held.claim.id.clone(), held.claim.epoch);
                    let other = self.seen.claims.insert(key, number);
                    assert_eq!(other, None, "{:?} is held twice\n{}", held.claim, self.log);
                    self.actors[number].held.push(held);
                }
            }
            Ok(Done::Kept(held)) => self.actors[number].held.push(*held),
            Ok(Done::Appended(held, first, events)) => {
                for (event, seq) in events.into_iter().zip(first..) {
                    self.seen
                        .acknowledged
                        .push((held.claim.id.clone(), seq, event));
                }
                self.actors[number].held.push(*held);
            }
            Ok(Done::Failed(what)) => panic!("{what}\n{}", self.log),
            // The answer was lost.
            Ok(Done::Nothing) => {}
            Err(lost) => {
                assert!(lost.is_cancelled(), "{lost}\n{}", self.log);
                self.actors[number].held.extend(appending);
            }
        }
    }

    async fn act(&mut self) {
        let number = self.rng.usize(..WORKERS);
        if self.actors[number].running.is_some() {
            match self.rng.u8(..10) {
                // The answer is lost, not what was done.
                0 if self.actors[number]
                    .running
                    .as_ref()
                    .is_some_and(|task| !task.is_finished()) =>
                {
                    let _ = writeln!(self.log, "{number}: dropped");
                    if let Some(task) = &self.actors[number].running {
                        task.abort();
                    }
                    self.gate(number, false).await;
                    self.finish(number).await;
                    return;
                }
                1 => {
                    let _ = writeln!(self.log, "{number}: cut");
                    self.cut(number).await;
                    self.gate(number, false).await;
                }
                2..=5 => {
                    let _ = writeln!(self.log, "{number}: gate opened");
                    self.gate(number, false).await;
                    self.settle(number).await;
                }
                _ => {}
            }
            let is_over =
                |actor: &Actor| actor.running.as_ref().is_some_and(JoinHandle::is_finished);
            if is_over(&self.actors[number]) {
                self.finish(number).await;
            }
            return;
        }
        let is_closed = self.rng.u8(..3) > 0;
        self.gate(number, is_closed).await;
        let task = self.choose(number);
        self.actors[number].running = Some(task);
        self.settle(number).await;
        if self.actors[number]
            .running
            .as_ref()
            .is_some_and(JoinHandle::is_finished)
        {
            self.finish(number).await;
        }
    }

    /// Lets a worker do something.
    fn choose(&mut self, number: usize) -> JoinHandle<Done> {
        let Self {
            rng,
            actors,
            seen,
            log,
            ..
        } = self;
        let actor = &mut actors[number];
        let journal = actor.journal.clone();
        let lease = Lease {
            worker: actor.worker.clone(),
            duration: NO_TIME,
        };
        let id = SagaId::new(format!("saga {}", rng.usize(..SAGAS))).expect("a short text");
        match rng.u8(..12) {
            0 => {
                let _ = writeln!(log, "{number}: start {id}");
                seen.started.insert(id.clone());
                let saga = new_saga(id);
                let lease = rng.bool().then_some(lease);
                tokio::spawn(start(journal, saga, lease))
            }
            1 | 2 => {
                let _ = writeln!(log, "{number}: claim");
                let limit = rng.usize(1..=SAGAS);
                tokio::spawn(async move {
                    match journal
                        .claim(&lease, &[SagaVersion::new("model", 1)], limit)
                        .await
                    {
                        Ok(claimed) => Done::Claimed(claimed.into_iter().map(held).collect()),
                        Err(JournalError::Unavailable { .. }) => Done::Nothing,
                        Err(other) => Done::Failed(format!("claim: {other}")),
                    }
                })
            }
            3 => {
                let _ = writeln!(log, "{number}: claim {id}");
                tokio::spawn(async move {
                    match journal.claim_one(&lease, &id).await {
                        Ok(ClaimedOne::Claimed(claimed)) => Done::Claimed(vec![held(*claimed)]),
                        Ok(_) | Err(JournalError::Unavailable { .. }) => Done::Nothing,
                        Err(other) => Done::Failed(format!("claim: {other}")),
                    }
                })
            }
            4 => {
                let _ = writeln!(log, "{number}: cancel {id}");
                tokio::spawn(async move {
                    match journal.request_cancel(&id, "enough").await {
                        Ok(_) | Err(JournalError::Unavailable { .. }) => Done::Nothing,
                        Err(other) => Done::Failed(format!("cancel: {other}")),
                    }
                })
            }
            action => {
                if actor.held.is_empty() {
                    return tokio::spawn(async { Done::Nothing });
                }
                let index = rng.usize(..actor.held.len());
                let mut held = actor.held.swap_remove(index);
                let claim = held.claim.clone();
                if action == 5 && held.unsure.is_none() {
                    let _ = writeln!(log, "{number}: release {} {}", claim.id, claim.epoch);
                    let in_doubt = rng.bool();
                    // A worker that does not know better goes on after it.
                    let forgets = rng.bool();
                    return tokio::spawn(async move {
                        match journal.release(&claim, in_doubt, Wakeup::Now).await {
                            Ok(()) if forgets => {
                                held.is_released = true;
                                Done::Kept(Box::new(held))
                            }
                            Ok(()) | Err(JournalError::Unavailable { .. }) => Done::Nothing,
                            Err(other) => Done::Failed(format!("release: {other}")),
                        }
                    });
                }
                let events = held.unsure.clone().unwrap_or_else(|| {
                    let mut events: Vec<_> = (0..rng.usize(1..=3))
                        .map(|_| event(number, claim.epoch, "received"))
                        .collect();
                    if action == 6 {
                        events.push(event(number, claim.epoch, "completed"));
                    }
                    events
                });
                let _ = writeln!(
                    log,
                    "{number}: append {} {} at {}: {events:?}",
                    claim.id, claim.epoch, held.next
                );
                // If the answer is lost, the worker asks again.
                let is_again = held.unsure.is_some();
                held.unsure = Some(events.clone());
                actor.appending = Some(held.clone());
                tokio::spawn(append(journal, held, events, is_again))
            }
        }
    }
}

/// Starts a saga, and says what the worker holds afterwards.
async fn start(journal: Postgres, saga: NewSaga, lease: Option<Lease>) -> Done {
    match journal.start(saga, lease.as_ref()).await {
        Ok(Started::New(Some(claim))) => Done::Claimed(vec![Held {
            claim,
            next: 1,
            unsure: None,
            is_released: false,
            is_open: true,
        }]),
        Ok(_) | Err(JournalError::Unavailable { .. }) => Done::Nothing,
        Err(other) => Done::Failed(format!("start: {other}")),
    }
}

/// Appends, and says what the worker believes afterwards.
async fn append(journal: Postgres, mut held: Held, events: Vec<Event>, is_again: bool) -> Done {
    let claim = held.claim.clone();
    match journal.append(&claim, held.next, events.clone()).await {
        Ok(()) if !is_again && (held.is_released || !held.is_open) => {
            Done::Failed(format!("an append after the end of {claim:?}"))
        }
        Ok(()) => {
            let first = held.next;
            held.next += events.len() as u64;
            held.unsure = None;
            held.is_open = !matches!(events.last(), Some(Event::Completed { .. }));
            Done::Appended(Box::new(held), first, events)
        }
        // A zombie does not believe it.
        Err(AppendError::Fenced { .. }) if claim.epoch.is_multiple_of(2) => {
            Done::Kept(Box::new(held))
        }
        Err(AppendError::Fenced { .. } | AppendError::NotContiguous { .. }) => Done::Nothing,
        Err(AppendError::Journal(JournalError::Unavailable { .. })) => Done::Kept(Box::new(held)),
        Err(other) => Done::Failed(format!("append: {other}")),
    }
}

fn new_saga(id: SagaId) -> NewSaga {
    NewSaga {
        id,
        name: "model".to_owned(),
        version: 1,
        fingerprint: 1,
        input: "null".to_owned(),
        trace: None,
    }
}

fn held(claimed: Claimed) -> Held {
    Held {
        claim: claimed.claim,
        next: claimed.next,
        unsure: None,
        is_released: false,
        is_open: true,
    }
}

async fn open(schema: &str, pool: PgPool, mistake: Option<Rewrite>) -> Postgres {
    let mut options = Postgres::options().schema(schema);
    if let Some(mistake) = mistake {
        options = options.rewritten(mistake);
    }
    let journal = options.open(pool).await;
    journal.expect("the database works")
}

impl Model {
    /// Lets all that is under way end, and looks at what is there.
    async fn check(mut self) {
        for number in 0..WORKERS {
            self.gate(number, false).await;
        }
        for number in 0..WORKERS {
            self.finish(number).await;
        }
        self.check_entries().await;
        self.check_acknowledged().await;
        self.check_open().await;
        let schema = &self.schema;
        sqlx::raw_sql(AssertSqlSafe(format!("DROP SCHEMA \"{schema}\" CASCADE")))
            .execute(&mut self.control)
            .await
            .expect("the schema can be dropped");
    }

    /// Numbers without gaps, each entry under the claim that stands before it, and nothing after the end.
    async fn check_entries(&mut self) {
        let sql = format!(
            "SELECT s.id, e.seq, e.event, e.payload::text AS payload FROM \"{0}\".entries e
             JOIN \"{0}\".sagas s ON s.number = e.saga ORDER BY e.saga, e.seq",
            self.schema
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .fetch_all(&mut self.control)
            .await
            .expect("the entries can be read");
        let mut last: HashMap<String, (i64, u64, bool)> = HashMap::new();
        for row in rows {
            let (id, seq): (String, i64) = (row.get("id"), row.get("seq"));
            let event: String = row.get("event");
            // The first claim of a saga that was started by its holder has no row.
            let (before, epoch, is_final) = last.entry(id.clone()).or_insert(if seq == 1 {
                (0, 0, false)
            } else {
                (1, 1, false)
            });
            assert_eq!(seq, *before + 1, "a gap in {id}\n{}", self.log);
            assert!(!*is_final, "{event} after the end of {id}\n{}", self.log);
            *before = seq;
            if event == "claimed" {
                *epoch += 1;
                continue;
            }
            *is_final = event == "completed";
            let payload: String = row.get("payload");
            let under = payload
                .trim_matches('"')
                .split(' ')
                .nth(2)
                .map(str::to_owned);
            assert_eq!(
                under,
                Some(epoch.to_string()),
                "entry {seq} of {id} is fenced\n{}",
                self.log
            );
        }
    }

    /// All that a worker was told is there.
    async fn check_acknowledged(&mut self) {
        let mut histories = HashMap::new();
        for id in &self.seen.started {
            let loaded = self.actors[0].journal.load(id).await;
            let loaded = loaded.expect("the journal can be read");
            if let Some(history) = loaded {
                histories.insert(id.clone(), history.entries.expect("nothing is damaged"));
            }
        }
        for (id, seq, event) in &self.seen.acknowledged {
            let entry = histories
                .get(id)
                .and_then(|entries| entries.iter().find(|entry| entry.seq == *seq));
            assert_eq!(
                entry.map(|entry| &entry.event),
                Some(event),
                "{id} {seq} is lost\n{}",
                self.log
            );
        }
    }

    /// What has not ended can be claimed, what has ended can't.
    async fn check_open(&mut self) {
        let journal = self.actors[0].journal.clone();
        let lease = Lease {
            worker: Worker::new("the last one"),
            duration: Duration::from_hours(1),
        };
        let claimed = journal
            .claim(&lease, &[SagaVersion::new("model", 1)], SAGAS + 1)
            .await;
        let claimed = claimed.expect("nothing is under way");
        let ids: HashSet<_> = claimed
            .iter()
            .map(|claimed| claimed.claim.id.clone())
            .collect();
        for id in &self.seen.started {
            let loaded = journal.load(id).await.expect("the journal can be read");
            let Some(history) = loaded else { continue };
            let entries = history.entries.expect("nothing is damaged");
            let last = entries.last().map(|entry| &entry.event);
            let is_final = matches!(last, Some(Event::Completed { .. }));
            assert_eq!(
                !is_final,
                ids.contains(id),
                "{id} is lost, or goes on after its end\n{}",
                self.log
            );
        }
        for claimed in claimed {
            let claim = claimed.claim;
            let end = event(WORKERS, claim.epoch, "completed");
            let ended = journal.append(&claim, claimed.next, vec![end]).await;
            assert!(
                ended.is_ok(),
                "{claim:?} can't go on: {ended:?}\n{}",
                self.log
            );
        }
    }
}

fn number_of(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[tokio::test]
async fn a_worker_that_has_lost_a_saga_never_writes_to_it() {
    let seeds = match number_of("SAGA_FENCING_SEED") {
        Some(seed) => vec![seed],
        None => (0..number_of("SAGA_FENCING_RUNS").unwrap_or(15))
            .map(|_| fastrand::u64(..1 << 40))
            .collect(),
    };
    for seed in seeds {
        interleaving(seed, None).await;
    }
}

/// One interleaving, of a journal that may make a mistake.
pub(super) async fn interleaving(seed: u64, mistake: Option<Rewrite>) {
    eprintln!("SAGA_FENCING_SEED={seed}");
    let mut model = Model::new(seed, mistake).await;
    for _ in 0..ACTIONS {
        model.act().await;
    }
    model.check().await;
}
