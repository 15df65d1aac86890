//! Claims: a worker takes sagas over that wait, that have slept enough, or whose worker has fallen silent.

use std::collections::HashMap;

use futures_util::future::try_join;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row as _};

use crate::id::SagaId;
use crate::journal::postgres::connections::{Connections, RunOn as _};
use crate::journal::postgres::read::{ENTRY, ended, entries_under, record, time};
use crate::journal::postgres::requests::posted_event;
use crate::journal::postgres::schema::Schema;
use crate::journal::postgres::text::stored;
use crate::journal::{Claim, Claimed, ClaimedOne, Lease, PostedEvent, SagaVersion, Wakeup, Worker};

/// Takes over the sagas in `picked`, which it has locked. Each claim takes the next number of its saga's history: an append
/// of the holder before that is under way can't be written any more, or this claim can't.
const TAKE_OVER: &str = "
, counted AS (
    SELECT open.number, open.epoch, open.worker AS holder, open.wake_at AS rest, open.doubt_seq, open.claimed_seq, open.recoveries,
           -- Each claim has its number: fewer only where rows are missing.
           greatest((SELECT max(seq) FROM {schema}.entries WHERE saga = open.number), open.epoch) AS last_seq
    FROM {schema}.open_sagas open JOIN picked USING (number)
), claimed AS (
    INSERT INTO {schema}.entries (saga, seq, at, event, message)
    SELECT number, last_seq + 1, clock_timestamp(), 'claimed', $1 FROM counted
), taken AS (
    UPDATE {schema}.open_sagas open
    SET epoch = open.epoch + 1, worker = $1, wake_at = NULL, cancel_unheard = false, called = false,
        claimed_seq = c.last_seq - c.epoch,
        recoveries = CASE WHEN c.claimed_seq = c.last_seq - c.epoch THEN c.recoveries ELSE 0 END
                     + CASE WHEN c.holder IS NULL THEN 0 ELSE 1 END
    FROM counted c
    WHERE open.number = c.number
    RETURNING open.*, c.holder IS NOT NULL AS is_cut_off, c.rest,
              coalesce(c.doubt_seq = c.last_seq - c.epoch, false) AS is_doubted, c.last_seq
)
SELECT s.number, s.id, s.name, s.version, s.fingerprint, s.input::text AS input,
       s.traceparent, s.tracestate,
       (extract(epoch FROM s.started_at) * 1000)::float8 AS started_at,
       true AS is_open, o.epoch, o.worker, o.stuck, o.cancel_reason,
       (extract(epoch FROM o.cancel_at) * 1000)::float8 AS cancel_at,
       EXISTS (SELECT FROM {schema}.entries e WHERE e.saga = s.number AND e.event = 'compensating') AS is_compensating,
       false AS is_compensated, false AS is_abandoned, NULL::bigint AS last_seq, NULL::bigint AS entries,
       (SELECT (extract(epoch FROM max(e.at)) * 1000)::float8 FROM {schema}.entries e
        WHERE e.saga = s.number AND e.event <> 'claimed') AS changed_at,
       NOT (o.is_cut_off OR o.is_doubted) AS orderly, o.recoveries,
       (extract(epoch FROM o.rest) * 1000)::float8 AS rest
FROM taken o JOIN {schema}.sagas s ON s.number = o.number
ORDER BY s.number";

/// The workers that hold sagas.
pub(super) const HELD: &str = "held AS MATERIALIZED (
    -- Looks from worker to worker, and not at each saga.
    WITH RECURSIVE held AS (
        (SELECT worker FROM {schema}.open_sagas WHERE worker IS NOT NULL ORDER BY worker LIMIT 1)
        UNION ALL
        SELECT (SELECT open.worker FROM {schema}.open_sagas open WHERE open.worker > held.worker
                ORDER BY open.worker LIMIT 1)
        FROM held WHERE held.worker IS NOT NULL
    ) SELECT worker FROM held WHERE worker IS NOT NULL
)";

/// The workers among them whose lease has run out.
pub(super) const SILENT: &str = "silent AS (
    SELECT DISTINCT held.worker FROM held LEFT JOIN {schema}.workers w ON w.name = held.worker
    WHERE w.name IS NULL OR w.valid_until <= clock_timestamp()
)";

/// The sagas that can be claimed: free sagas, sleepers whose time has come, and the sagas of workers whose lease has run
/// out. Each source skips what other claims have locked before it counts, so that claims at the same time get different
/// sagas.
const PICK: &str = "
WITH {held}, {silent}, free AS (
    SELECT number FROM {schema}.open_sagas open
    WHERE worker IS NULL AND NOT stuck AND wake_at IS NULL AND name = ANY($2) AND {is_known}
    ORDER BY number LIMIT $3
    FOR UPDATE SKIP LOCKED
), rested AS (
    SELECT number FROM {schema}.open_sagas open
    WHERE worker IS NULL AND NOT stuck AND wake_at <= (SELECT clock_timestamp()) AND name = ANY($2) AND {is_known}
    ORDER BY wake_at LIMIT $3
    FOR UPDATE SKIP LOCKED
), orphaned AS (
    SELECT orphan.number FROM silent CROSS JOIN LATERAL (
        -- From worker to worker: a join may look at all sagas that are open.
        SELECT number FROM {schema}.open_sagas open
        WHERE open.worker = silent.worker AND NOT stuck AND name = ANY($2) AND {is_known}
        ORDER BY number LIMIT $3
        FOR UPDATE SKIP LOCKED
    ) orphan
    ORDER BY number LIMIT $3
), picked AS (
    SELECT number FROM (SELECT * FROM free UNION ALL SELECT * FROM rested UNION ALL SELECT * FROM orphaned) ready
    ORDER BY number LIMIT $3
)";

/// In SQL, true if a saga is of a version that the worker can run. It is one value for each open saga: as an `EXISTS` it became a join,
/// which read the ended sagas as well.
pub(super) const IS_KNOWN: &str = "(
        SELECT EXISTS (SELECT FROM unnest({names}::text[], {versions}::bigint[]) known (name, version)
                       WHERE known.name = s.name AND known.version = s.version)
        FROM {schema}.sagas s WHERE s.number = open.number)";

const PICK_ONE: &str = "
WITH picked AS (
    SELECT o.number FROM {schema}.open_sagas o JOIN {schema}.sagas s USING (number)
    WHERE s.id = $2
      AND (o.worker IS NULL OR NOT EXISTS (SELECT FROM {schema}.workers w
                                           WHERE w.name = o.worker AND w.valid_until > clock_timestamp()))
    FOR UPDATE OF o
)";

fn pick() -> String {
    PICK.replace("{held}", HELD)
        .replace("{silent}", SILENT)
        .replace("{is_known}", IS_KNOWN)
        .replace("{names}", "$2")
        .replace("{versions}", "$4")
}

/// The seconds of a lease. One of ages is as good as one that never ends.
pub(super) fn seconds(lease: &Lease) -> f64 {
    lease.duration.as_secs_f64().min(3e9)
}

/// The names and the versions of these definitions.
pub(super) fn versions(definitions: &[SagaVersion]) -> (Vec<String>, Vec<i64>) {
    let columns = definitions
        .iter()
        .map(|one| (stored(one.name).into_owned(), i64::from(one.version)));
    columns.unzip()
}

/// The statements of claims, made once.
#[derive(Debug)]
pub(super) struct Claims {
    claim: String,
    claim_one: String,
    entries: String,
    posted: String,
    holder: String,
    renew: String,
    cancelled: String,
}

impl Claims {
    pub(super) fn new(schema: &Schema) -> Self {
        Self {
            claim: schema.sql(&format!("{}{TAKE_OVER}", pick())),
            claim_one: schema.sql(&format!("{PICK_ONE}{TAKE_OVER}")),
            entries: schema.sql(&format!(
                "SELECT {ENTRY} FROM {{schema}}.entries WHERE saga = ANY($1) ORDER BY saga, seq"
            )),
            posted: schema.sql(
                "SELECT saga, name, key, payload FROM {schema}.posted_events WHERE saga = ANY($1) ORDER BY number",
            ),
            holder: schema.sql(
                "SELECT o.worker, o.number IS NOT NULL AS is_open,
                        EXISTS (SELECT FROM {schema}.entries e WHERE e.saga = s.number AND e.event = 'compensated')
                            AS is_compensated,
                        EXISTS (SELECT FROM {schema}.entries e WHERE e.saga = s.number AND e.event = 'abandoned')
                            AS is_abandoned
                 FROM {schema}.sagas s LEFT JOIN {schema}.open_sagas o USING (number) WHERE s.id = $1",
            ),
            renew: schema.sql(
                "INSERT INTO {schema}.workers (name, valid_until)
                 VALUES ($1, clock_timestamp() + $2 * interval '1 second')
                 ON CONFLICT (name) DO UPDATE SET valid_until = EXCLUDED.valid_until",
            ),
            cancelled: schema.sql(
                "SELECT s.id FROM {schema}.open_sagas o JOIN {schema}.sagas s USING (number)
                 WHERE o.worker = $1 AND o.cancel_reason IS NOT NULL ORDER BY o.number",
            ),
        }
    }

    /// Extends the lease of a worker on all that it holds.
    pub(super) async fn renew(&self, pool: &Connections, lease: &Lease) -> Result<(), sqlx::Error> {
        sqlx::query(AssertSqlSafe(&*self.renew))
            .bind(lease.worker.as_str())
            .bind(seconds(lease))
            .run_on(pool)
            .await?;
        Ok(())
    }

    /// The ids of the sagas of a worker that are to be cancelled.
    pub(super) async fn cancelled(
        &self,
        pool: &Connections,
        worker: &Worker,
    ) -> Result<Vec<String>, sqlx::Error> {
        let rows = sqlx::query(AssertSqlSafe(&*self.cancelled))
            .bind(worker.as_str())
            .all_on(pool)
            .await?;
        rows.iter().map(|row| row.try_get(0)).collect()
    }

    /// Takes over up to `limit` sagas. Also says the numbers of the sagas.
    pub(super) async fn claim(
        &self,
        pool: &Connections,
        lease: &Lease,
        definitions: &[SagaVersion],
        limit: usize,
    ) -> Result<Vec<(i64, Claimed)>, sqlx::Error> {
        let (names, versions) = versions(definitions);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = sqlx::query(AssertSqlSafe(&*self.claim))
            .bind(lease.worker.as_str())
            .bind(names)
            .bind(limit)
            .bind(versions)
            .all_on(pool)
            .await?;
        self.with_entries(pool, &rows).await
    }

    /// Takes over one saga.
    pub(super) async fn claim_one(
        &self,
        pool: &Connections,
        lease: &Lease,
        id: &SagaId,
    ) -> Result<(Option<i64>, ClaimedOne), sqlx::Error> {
        let id = stored(id.as_str());
        let rows = sqlx::query(AssertSqlSafe(&*self.claim_one))
            .bind(lease.worker.as_str())
            .bind(&*id)
            .all_on(pool)
            .await?;
        if let Some((number, claimed)) = self.with_entries(pool, &rows).await?.pop() {
            return Ok((Some(number), ClaimedOne::Claimed(Box::new(claimed))));
        }
        let row = sqlx::query(AssertSqlSafe(&*self.holder))
            .bind(&*id)
            .optional_on(pool)
            .await?;
        let Some(row) = row else {
            return Ok((None, ClaimedOne::Unknown));
        };
        let worker: Option<String> = row.try_get("worker")?;
        Ok((
            None,
            match worker {
                Some(worker) => ClaimedOne::Held(Worker::new(worker)),
                None if row.try_get("is_open")? => {
                    // It was released since, or is being claimed.
                    return Err(sqlx::Error::Protocol(
                        "the saga changed hands meanwhile: ask again".to_owned(),
                    ));
                }
                None => ClaimedOne::Final(ended(&row)?),
            },
        ))
    }

    async fn with_entries(
        &self,
        pool: &Connections,
        rows: &[PgRow],
    ) -> Result<Vec<(i64, Claimed)>, sqlx::Error> {
        let numbers: Vec<i64> = rows
            .iter()
            .map(|row| row.try_get("number"))
            .collect::<Result<_, _>>()?;
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        // The claims are durable: only their holder adds entries from now on.
        let entries = sqlx::query(AssertSqlSafe(&*self.entries))
            .bind(&numbers)
            .all_on(pool);
        let posted = sqlx::query(AssertSqlSafe(&*self.posted))
            .bind(&numbers)
            .all_on(pool);
        let (entries, events) = try_join(entries, posted).await?;
        let mut by_saga: HashMap<i64, Vec<PgRow>> = HashMap::new();
        for row in entries {
            by_saga.entry(row.try_get("saga")?).or_default().push(row);
        }
        let mut posted: HashMap<i64, Vec<PostedEvent>> = HashMap::new();
        for row in events {
            let of_saga = posted.entry(row.try_get("saga")?).or_default();
            of_saga.push(posted_event(&row)?);
        }
        let mut claimed = Vec::new();
        for (row, number) in rows.iter().zip(numbers) {
            let record = record(row)?;
            let claim = Claim {
                id: record.saga.id.clone(),
                epoch: record.epoch,
            };
            let rows = by_saga.remove(&number).unwrap_or_default();
            // The claim is the last row. Rows may be missing before it, so they are not counted.
            let last = rows
                .iter()
                .filter_map(|row| row.try_get::<i64, _>("seq").ok());
            let epoch = claim.epoch.cast_signed();
            let next = last.max().unwrap_or_default() - epoch + 1;
            let mut one = Claimed::new(claim, record, entries_under(&rows, epoch));
            one.next = next.max(1).cast_unsigned();
            one.orderly = row.try_get("orderly")?;
            let recoveries: i64 = row.try_get("recoveries")?;
            one.recoveries = u32::try_from(recoveries).unwrap_or(u32::MAX);
            one.rest = match row.try_get::<Option<f64>, _>("rest")? {
                None => Wakeup::Now,
                Some(millis) if millis.is_finite() => Wakeup::At(time(millis)),
                Some(_) => Wakeup::WhenCalled,
            };
            one.posted = posted.remove(&number).unwrap_or_default();
            claimed.push((number, one));
        }
        Ok(claimed)
    }

    /// When the next saga that sleeps wakes, in milliseconds since 1970.
    pub(super) async fn next_wakeup(
        pool: &Connections,
        schema: &Schema,
    ) -> Result<Option<std::time::SystemTime>, sqlx::Error> {
        let sql = schema.sql(
            "SELECT (extract(epoch FROM wake_at) * 1000)::float8 FROM {schema}.open_sagas
             WHERE worker IS NULL AND NOT stuck AND wake_at IS NOT NULL AND wake_at < 'infinity'
             ORDER BY wake_at LIMIT 1",
        );
        let row = sqlx::query(AssertSqlSafe(sql)).optional_on(pool).await?;
        row.map(|row| row.try_get(0).map(time)).transpose()
    }
}
