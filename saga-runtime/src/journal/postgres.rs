//! A journal in a Postgres database, for any number of processes at a time.
//!
//! Starts, appends and releases of many sagas travel in one statement and share one commit. Leases are compared by the clock
//! of the database. A claim takes the next number of its saga's history, so a worker that lost a saga can't write to it.

mod append;
mod claims;
mod clocks;
mod connections;
mod listening;
mod looks;
mod operation;
mod options;
mod read;
mod requests;
mod schema;
mod start;
mod text;
mod writer;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Row as _};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::id::SagaId;
use crate::journal::filter::count_pages;
use crate::journal::postgres::claims::Claims;
use crate::journal::postgres::clocks::Clocks;
use crate::journal::postgres::connections::{Connections, RunOn as _};
use crate::journal::postgres::listening::Listeners;
use crate::journal::postgres::looks::LookStatement;
use crate::journal::postgres::operation::{Append, Operation, Release, Reply, StartResult, millis};
use crate::journal::postgres::schema::Schema;
use crate::journal::postgres::text::{restored, stored};
use crate::journal::postgres::writer::Writer;
use crate::journal::{
    AppendError, Claim, Claimed, ClaimedOne, Event, Filter, Forwarded, History, Journal,
    JournalError, Lease, Listener, Look, NewSaga, Page, Pause, PostedEvent, Record, Requests, Row,
    SagaVersion, Started, Tally, Wakeup, Worker, WorkerTally,
};

pub use options::PostgresOptions;

/// A [`Journal`] in a Postgres database, for any number of processes. Clones are the same journal.
///
/// ```no_run
/// use saga_runtime::journal::Postgres;
///
/// # async fn open() -> Result<(), saga_runtime::journal::JournalError> {
/// let journal = Postgres::connect("postgres://shop@localhost/shop").await?;
/// # let _ = journal;
/// # Ok(()) }
/// ```
///
/// The tables stand in a schema of their own, `saga` if nothing else is said: two services in one database use two. Opening
/// the journal creates the tables, and brings older ones to the present form; of many processes that open it at once, one
/// does that. The view `saga_states` shows what is going on.
///
/// # Across processes
/// * Each saga runs in one process at a time. When a process ends, the others claim its sagas once its lease is over. A
///   process that was only frozen can't write to a saga that it has lost.
/// * One connection of each process listens. So a process hears at once when another one cancels a saga that it runs,
///   releases sagas at its shutdown, or starts one without a free slot.
/// * [`cancel`](crate::Coordinator::cancel), [`send`](crate::Coordinator::send), the decisions of operators and
///   [`wait`](crate::coordinator::Handle::wait) work in any process, whichever holds the saga. An event goes to the process that
///   holds it. For a decision that process releases the saga as soon as no attempt of it is under way.
/// * A process finds the rest by looking, with one statement every third of its [lease](crate::coordinator::Builder::lease): what it
///   could not hear, and sagas of dead processes, which go on within a second after the lease of their process. Many idle processes
///   look up to half as often. Behind a proxy that pools transactions listening does not work, and all is found by looking: say so with
///   [`behind_a_pooling_proxy`](PostgresOptions::behind_a_pooling_proxy).
#[derive(Clone)]
pub struct Postgres(Arc<Shared>);

struct Shared {
    pool: Connections,
    schema: Schema,
    writer: Writer,
    claims: Claims,
    looks: LookStatement,
    clocks: Clocks,
    /// The numbers of the sagas that this process holds.
    numbers: Mutex<HashMap<SagaId, i64>>,
    /// When this process has extended the leases of its workers last, and for how long.
    renewed: Mutex<HashMap<Worker, (Instant, Duration)>>,
    /// How many claims of this process are under way: their sagas may be held already.
    claiming: AtomicUsize,
    listeners: Listeners,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("schema", &self.0.schema.name())
            .finish_non_exhaustive()
    }
}

impl Postgres {
    /// The settings of a journal, to be changed before it is opened.
    pub fn options() -> PostgresOptions {
        PostgresOptions {
            schema: "saga".to_owned(),
            connections: 5,
            pools_transactions: false,
            #[cfg(feature = "testing")]
            rewrite: None,
        }
    }

    /// Opens the journal in this database, in the schema `saga`.
    ///
    /// # Errors
    /// [`JournalError::Unavailable`] if the database can't be reached, [`JournalError::Unsuitable`] if it is a standby, or if
    /// a newer version of this library has written the tables.
    pub async fn connect(url: &str) -> Result<Self, JournalError> {
        Self::options().connect(url).await
    }

    /// How many transactions with entries were committed since the journal was opened: what is written together counts once.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.0.writer.commits()
    }

    fn numbers(&self) -> MutexGuard<'_, HashMap<SagaId, i64>> {
        self.0
            .numbers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a saga; `None` if there is no such saga.
    async fn number(&self, id: &SagaId) -> Result<Option<i64>, JournalError> {
        let known = self.numbers().get(id).copied();
        if known.is_some() {
            return Ok(known);
        }
        let sql = self
            .0
            .schema
            .sql("SELECT number FROM {schema}.sagas WHERE id = $1");
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(stored(id.as_str()))
            .optional_on(&self.0.pool)
            .await
            .map_err(JournalError::unavailable)?;
        row.map(|row| row.try_get(0).map_err(JournalError::unavailable))
            .transpose()
    }

    /// Lets the writer do something, and waits for its answer.
    async fn write<T, E: From<JournalError>>(
        &self,
        operation: impl FnOnce(Reply<T, E>) -> Operation,
    ) -> Result<T, E> {
        let (reply, answer) = oneshot::channel();
        self.0.writer.send(operation(reply))?;
        answer
            .await
            .unwrap_or_else(|_| Err(JournalError::Closed.into()))
    }

    /// Adds entries, and releases the saga with them if a release is given.
    async fn append_with(
        &self,
        claim: &Claim,
        first: u64,
        events: Vec<Event>,
        release: Option<Release>,
    ) -> Result<(), AppendError> {
        let Some(number) = self.number(&claim.id).await? else {
            return Err(AppendError::Fenced { epoch: claim.epoch });
        };
        // A last entry ends the claim by itself.
        let release = release.filter(|_| !events.iter().any(Event::ends_claim));
        let (reply, answer) = oneshot::channel();
        let append = Append {
            claim: claim.clone(),
            number,
            first,
            rows: events.into_iter().map(Row::from).collect(),
            release,
            reply,
        };
        let ends_claim = append.ends_claim() || release.is_some();
        self.0.writer.send(Operation::Append(append))?;
        let written = answer
            .await
            .unwrap_or_else(|_| Err(JournalError::Closed.into()));
        let is_over = match &written {
            Ok(()) => ends_claim,
            Err(error) => matches!(error, AppendError::Fenced { .. }),
        };
        if is_over {
            self.numbers().remove(&claim.id);
        }
        written
    }

    /// Extends a lease, unless that was done a short while ago.
    async fn renew_if_old(&self, lease: &Lease) -> Result<(), JournalError> {
        let is_fresh = {
            let renewed = self
                .0
                .renewed
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            renewed.get(&lease.worker).is_some_and(|(at, duration)| {
                *duration == lease.duration && at.elapsed() < *duration / 4
            })
        };
        if is_fresh {
            return Ok(());
        }
        self.extend(lease).await
    }

    async fn extend(&self, lease: &Lease) -> Result<(), JournalError> {
        let asked = Instant::now();
        self.0
            .claims
            .renew(&self.0.pool, lease)
            .await
            .map_err(JournalError::unavailable)?;
        self.note_renewal(lease, asked);
        Ok(())
    }

    /// Notes that a lease was extended by a statement that was sent then.
    fn note_renewal(&self, lease: &Lease, asked: Instant) {
        let mut renewed = self
            .0
            .renewed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        renewed.insert(lease.worker.clone(), (asked, lease.duration));
    }

    /// Ends the leases of all workers, as if all were silent for long.
    #[cfg(feature = "testing")]
    pub(crate) async fn end_leases(&self) -> Result<(), JournalError> {
        let sql = self
            .0
            .schema
            .sql("UPDATE {schema}.workers SET valid_until = clock_timestamp() RETURNING name");
        let ended = sqlx::query(AssertSqlSafe(sql)).all_on(&self.0.pool).await;
        ended.map_err(JournalError::unavailable)?;
        let mut renewed = self
            .0
            .renewed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        renewed.clear();
        Ok(())
    }
}

fn removed_meanwhile() -> JournalError {
    JournalError::Unavailable {
        message: "the saga with this id was removed meanwhile: ask again".to_owned(),
        source: None,
    }
}

/// A claim that is under way.
struct Claiming<'a>(&'a AtomicUsize);

impl<'a> Claiming<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Claiming<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The number of retries after a conflict with the claim of another worker.
const AGAIN: usize = 5;

/// Whether another worker has written the same thing, or both have waited for each other: trying again helps.
fn is_conflict(error: &sqlx::Error) -> bool {
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    // Unique violation, serialization failure, deadlock.
    matches!(code.as_deref(), Some("23505" | "40001" | "40P01"))
}

/// Whether the values of one operation are to blame: the others can be written without it.
fn is_of_one(error: &sqlx::Error) -> bool {
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    // Data exceptions, broken constraints, limits of the program.
    code.is_some_and(|code| {
        ["22", "23", "54"]
            .iter()
            .any(|class| code.starts_with(class))
    })
}

#[async_trait]
impl Journal for Postgres {
    async fn start(&self, saga: NewSaga, worker: Option<&Lease>) -> Result<Started, JournalError> {
        if let Some(lease) = worker {
            self.renew_if_old(lease).await?;
        }
        let id = saga.id.clone();
        let lease = worker.cloned();
        let is_held = lease.is_some();
        let _claiming = is_held.then(|| Claiming::begin(&self.0.claiming));
        let started = self
            .write(|reply| Operation::Start { saga, lease, reply })
            .await?;
        match started {
            StartResult::New(number) if is_held => {
                self.numbers().insert(id.clone(), number);
                Ok(Started::New(Some(Claim { id, epoch: 1 })))
            }
            StartResult::New(_) => Ok(Started::New(None)),
            StartResult::Taken => {
                let history = self.load(&id).await?;
                let history = history.ok_or_else(removed_meanwhile)?;
                Ok(Started::Existing(Box::new(history.record)))
            }
        }
    }

    async fn start_in(
        &self,
        transaction: &mut sqlx::PgConnection,
        saga: NewSaga,
    ) -> Result<Started, JournalError> {
        let id = saga.id.clone();
        if start::in_transaction(transaction, &self.0.schema, saga)
            .await
            .map_err(JournalError::unavailable)?
        {
            return Ok(Started::New(None));
        }
        let taken = read::one_in(transaction, &self.0.schema, &id).await;
        let record = taken.map_err(JournalError::unavailable)?;
        let record = record.ok_or_else(removed_meanwhile)?;
        Ok(Started::Existing(Box::new(record)))
    }

    async fn claim(
        &self,
        worker: &Lease,
        definitions: &[SagaVersion],
        limit: usize,
    ) -> Result<Vec<Claimed>, JournalError> {
        self.renew_if_old(worker).await?;
        let _claiming = Claiming::begin(&self.0.claiming);
        let mut tries = 0;
        let claimed = loop {
            let shared = &self.0;
            match shared
                .claims
                .claim(&shared.pool, worker, definitions, limit)
                .await
            {
                Err(error) if is_conflict(&error) && tries < AGAIN => tries += 1,
                claimed => break claimed.map_err(JournalError::unavailable)?,
            }
        };
        let mut numbers = self.numbers();
        Ok(claimed
            .into_iter()
            .map(|(number, mut claimed)| {
                numbers.insert(claimed.claim.id.clone(), number);
                claimed.rest = self.0.clocks.wakeup_here(claimed.rest);
                claimed
            })
            .collect())
    }

    async fn next_rest(&self) -> Result<Option<SystemTime>, JournalError> {
        let next = Claims::next_wakeup(&self.0.pool, &self.0.schema).await;
        let next = next.map_err(JournalError::unavailable)?;
        Ok(next.map(|next| self.0.clocks.here(next)))
    }

    async fn claim_one(&self, worker: &Lease, id: &SagaId) -> Result<ClaimedOne, JournalError> {
        self.renew_if_old(worker).await?;
        let _claiming = Claiming::begin(&self.0.claiming);
        let mut tries = 0;
        let (number, mut claimed) = loop {
            let shared = &self.0;
            match shared.claims.claim_one(&shared.pool, worker, id).await {
                Err(error) if is_conflict(&error) && tries < AGAIN => tries += 1,
                Err(sqlx::Error::Protocol(_)) if tries < AGAIN => tries += 1,
                claimed => break claimed.map_err(JournalError::unavailable)?,
            }
        };
        if let Some(number) = number {
            self.numbers().insert(id.clone(), number);
        }
        if let ClaimedOne::Claimed(claimed) = &mut claimed {
            claimed.rest = self.0.clocks.wakeup_here(claimed.rest);
        }
        Ok(claimed)
    }

    async fn renew(&self, worker: &Lease) -> Result<Vec<SagaId>, JournalError> {
        self.extend(worker).await?;
        let ids = self
            .0
            .claims
            .cancelled(&self.0.pool, &worker.worker)
            .await
            .map_err(JournalError::unavailable)?;
        Ok(ids
            .into_iter()
            .filter_map(|id| SagaId::new(restored(id)).ok())
            .collect())
    }

    async fn look(
        &self,
        worker: &Lease,
        definitions: &[SagaVersion],
    ) -> Result<Look, JournalError> {
        let asked = Instant::now();
        let look = self.0.looks.look(&self.0.pool, worker, definitions).await;
        let (look, now) = look.map_err(JournalError::unavailable)?;
        self.0.clocks.note(now);
        self.note_renewal(worker, asked);
        Ok(look)
    }

    async fn append(
        &self,
        claim: &Claim,
        first: u64,
        events: Vec<Event>,
    ) -> Result<(), AppendError> {
        self.append_with(claim, first, events, None).await
    }

    async fn append_and_release(
        &self,
        claim: &Claim,
        first: u64,
        events: Vec<Event>,
        in_doubt: bool,
        rest: Wakeup,
    ) -> Result<(), AppendError> {
        let wakeup = self.0.clocks.in_database(rest);
        let release = Release { in_doubt, wakeup };
        self.append_with(claim, first, events, Some(release)).await
    }

    async fn release(
        &self,
        claim: &Claim,
        in_doubt: bool,
        rest: Wakeup,
    ) -> Result<(), JournalError> {
        let Some(number) = self.number(&claim.id).await? else {
            return Ok(());
        };
        let released = self
            .write(|reply| Operation::Release {
                claim: claim.clone(),
                number,
                release: Release {
                    in_doubt,
                    wakeup: self.0.clocks.in_database(rest),
                },
                reply,
            })
            .await;
        self.numbers().remove(&claim.id);
        released
    }

    async fn request_cancel(&self, id: &SagaId, reason: &str) -> Result<bool, JournalError> {
        let cancelled = self.0.cancel(id, reason).await;
        cancelled.map_err(JournalError::unavailable)
    }

    async fn call(&self, id: &SagaId) -> Result<Forwarded, JournalError> {
        let called = self.0.call(id).await;
        called.map_err(JournalError::unavailable)
    }

    async fn post(&self, id: &SagaId, event: PostedEvent) -> Result<Forwarded, JournalError> {
        let posted = self.0.post(id, &event).await;
        posted.map_err(JournalError::unavailable)
    }

    async fn requests(&self, worker: &Worker) -> Result<Requests, JournalError> {
        let requests = self.0.requests(worker).await;
        requests.map_err(JournalError::unavailable)
    }

    async fn watch(&self, id: &SagaId) -> Result<(), JournalError> {
        let watched = self.0.watch(id).await;
        watched.map_err(JournalError::unavailable)
    }

    fn listen(&self, listener: Listener) {
        self.0.listeners.add(listener);
        if self.0.pool.keep_statements() {
            listening::start(&self.0);
        }
    }

    async fn load(&self, id: &SagaId) -> Result<Option<History>, JournalError> {
        read::load(&self.0.pool, &self.0.schema, id)
            .await
            .map_err(JournalError::unavailable)
    }

    async fn record(&self, id: &SagaId) -> Result<Option<Record>, JournalError> {
        read::one(&self.0.pool, &self.0.schema, id)
            .await
            .map_err(JournalError::unavailable)
    }

    async fn list(&self, filter: &Filter) -> Result<Page, JournalError> {
        read::list(&self.0.pool, &self.0.schema, filter)
            .await
            .map_err(JournalError::unavailable)
    }

    async fn count(&self, filter: &Filter) -> Result<u64, JournalError> {
        if filter.failing {
            // Only the entries tell.
            return count_pages(self, filter).await;
        }
        read::count(&self.0.pool, &self.0.schema, filter)
            .await
            .map_err(JournalError::unavailable)
    }

    fn commit_count(&self) -> Option<u64> {
        Some(self.commits())
    }

    async fn tally(&self) -> Result<Tally, JournalError> {
        read::tally(&self.0.pool, &self.0.schema)
            .await
            .map_err(JournalError::unavailable)
    }

    async fn workers(&self) -> Result<Vec<WorkerTally>, JournalError> {
        read::workers(&self.0.pool, &self.0.schema)
            .await
            .map_err(JournalError::unavailable)
    }

    async fn pause(&self, name: &str, reason: &str) -> Result<(), JournalError> {
        let sql = self.0.schema.sql(
            "WITH noted AS (
                 INSERT INTO {schema}.paused_definitions (name, reason) VALUES ($1, $2)
                 ON CONFLICT (name) DO UPDATE SET reason = excluded.reason RETURNING name
             )
             SELECT pg_notify($3, 'work')::text FROM noted",
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(stored(name))
            .bind(stored(reason))
            .bind(self.0.schema.channel())
            .one_on(&self.0.pool)
            .await
            .map(drop)
            .map_err(JournalError::unavailable)
    }

    async fn resume(&self, name: &str) -> Result<bool, JournalError> {
        let sql = self.0.schema.sql(
            "WITH resumed AS (DELETE FROM {schema}.paused_definitions WHERE name = $1 RETURNING name)
             SELECT pg_notify($2, 'work')::text FROM resumed",
        );
        let resumed = sqlx::query(AssertSqlSafe(sql))
            .bind(stored(name))
            .bind(self.0.schema.channel())
            .optional_on(&self.0.pool);
        let resumed = resumed.await.map_err(JournalError::unavailable)?;
        Ok(resumed.is_some())
    }

    async fn paused(&self) -> Result<Vec<Pause>, JournalError> {
        read::paused(&self.0.pool, &self.0.schema)
            .await
            .map_err(JournalError::unavailable)
    }

    async fn purge(&self, before: SystemTime) -> Result<u64, JournalError> {
        /// How many sagas one transaction looks at.
        const PIECE: i64 = 1000;
        let sql = self.0.schema.sql(
            "WITH looked_at AS (
                 SELECT s.number, s.started_at FROM {schema}.sagas s WHERE s.number > $1 ORDER BY s.number LIMIT $2
             ), ended AS (
                 SELECT l.number FROM looked_at l
                 WHERE NOT EXISTS (SELECT FROM {schema}.open_sagas o WHERE o.number = l.number)
                   -- Its entries may be lost. Then it ended after its start.
                   AND coalesce((SELECT max(e.at) FROM {schema}.entries e WHERE e.saga = l.number), l.started_at)
                       < to_timestamp($3)
             ), entries AS (
                 DELETE FROM {schema}.entries e USING ended WHERE e.saga = ended.number
             ), posted AS (
                 DELETE FROM {schema}.posted_events p USING ended WHERE p.saga = ended.number
             ), sagas AS (
                 DELETE FROM {schema}.sagas s USING ended WHERE s.number = ended.number
             )
             SELECT (SELECT count(*) FROM ended), (SELECT max(number) FROM looked_at)",
        );
        let (mut purged, mut after) = (0, 0_i64);
        loop {
            let row = sqlx::query(AssertSqlSafe(&*sql))
                .bind(after)
                .bind(PIECE)
                .bind(millis(before) / 1000.0)
                .one_on(&self.0.pool)
                .await
                .map_err(JournalError::unavailable)?;
            let read = |index| {
                row.try_get::<Option<i64>, _>(index)
                    .map_err(JournalError::unavailable)
            };
            purged += read(0)?.unwrap_or(0).cast_unsigned();
            match read(1)? {
                Some(last) => after = last,
                None => return Ok(purged),
            }
        }
    }
}
