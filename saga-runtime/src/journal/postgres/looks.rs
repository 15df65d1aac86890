//! Looks: one statement renews the lease of a worker, and tells it what it may have to do. An idle worker asks for nothing else.

use std::time::{Duration, SystemTime};

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row as _};

use crate::id::SagaId;
use crate::journal::postgres::claims::{HELD, IS_KNOWN, SILENT, seconds, versions};
use crate::journal::postgres::connections::{Connections, RunOn as _};
use crate::journal::postgres::read::time;
use crate::journal::postgres::schema::Schema;
use crate::journal::postgres::text::restored;
use crate::journal::{Ahead, Lease, Look, SagaVersion};

/// The three kinds of sagas that can be claimed are those of a claim. A saga that another claim has locked counts as well: the
/// claim that follows finds out.
const LOOK: &str = "
WITH renewed AS (
    INSERT INTO {schema}.workers (name, valid_until)
    VALUES ($1, clock_timestamp() + $2 * interval '1 second')
    ON CONFLICT (name) DO UPDATE SET valid_until = EXCLUDED.valid_until
), {held}, {silent}, known AS NOT MATERIALIZED (
    SELECT open.* FROM {schema}.open_sagas open WHERE NOT stuck AND name = ANY($3) AND {is_known}
), asked AS MATERIALIZED (
    SELECT number, called, cancel_reason IS NOT NULL AS is_cancelled FROM {schema}.open_sagas
    WHERE worker = $1 AND (called OR cancel_reason IS NOT NULL)
)
SELECT
    ARRAY(SELECT s.id FROM asked JOIN {schema}.sagas s USING (number) WHERE is_cancelled ORDER BY number) AS cancelled,
    EXISTS (SELECT FROM asked WHERE called)
    OR EXISTS (SELECT FROM {schema}.posted_events p JOIN {schema}.open_sagas o ON o.number = p.saga WHERE o.worker = $1)
        AS is_asked,
    -- With an order and a limit, since the planner guesses badly which rows are known.
    EXISTS (SELECT FROM known WHERE worker IS NULL AND wake_at IS NULL ORDER BY number LIMIT 1)
    OR EXISTS (SELECT FROM silent CROSS JOIN LATERAL (SELECT FROM known WHERE known.worker = silent.worker
                                                      ORDER BY number LIMIT 1) orphan) AS is_work,
    (SELECT extract(epoch FROM wake_at - clock_timestamp())::float8 FROM known
     WHERE worker IS NULL AND wake_at < (SELECT clock_timestamp() + $2 * interval '1 second')
     ORDER BY wake_at LIMIT 1) AS next_rest,
    (SELECT extract(epoch FROM min(w.valid_until) - clock_timestamp())::float8
     FROM held JOIN {schema}.workers w ON w.name = held.worker
     WHERE w.name <> $1 AND w.valid_until > clock_timestamp()) AS next_orphans,
    ARRAY(SELECT name FROM {schema}.paused_definitions) AS paused,
    (SELECT count(*) FROM {schema}.workers WHERE valid_until > clock_timestamp()) AS workers,
    (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now";

/// The statement of a look, made once.
#[derive(Debug)]
pub(super) struct LookStatement(String);

impl LookStatement {
    pub(super) fn new(schema: &Schema) -> Self {
        let is_known = IS_KNOWN
            .replace("{names}", "$3")
            .replace("{versions}", "$4");
        let look = LOOK
            .replace("{held}", HELD)
            .replace("{silent}", SILENT)
            .replace("{is_known}", &is_known);
        Self(schema.sql(&look))
    }

    /// Extends the lease of a worker, and looks what there is for it. Returns the time of the database, too.
    pub(super) async fn look(
        &self,
        pool: &Connections,
        lease: &Lease,
        definitions: &[SagaVersion],
    ) -> Result<(Look, SystemTime), sqlx::Error> {
        let (names, versions) = versions(definitions);
        let row = sqlx::query(AssertSqlSafe(&*self.0))
            .bind(lease.worker.as_str())
            .bind(seconds(lease))
            .bind(names)
            .bind(versions)
            .one_on(pool)
            .await?;
        let cancelled: Vec<String> = row.try_get("cancelled")?;
        let paused: Vec<String> = row.try_get("paused")?;
        let workers: i64 = row.try_get("workers")?;
        let next_rest = until(&row, "next_rest")?;
        let is_work: bool = row.try_get("is_work")?;
        let look = Look {
            cancelled: cancelled
                .into_iter()
                .filter_map(|id| SagaId::new(restored(id)).ok())
                .collect(),
            is_asked: row.try_get("is_asked")?,
            ahead: Some(Ahead {
                is_work: is_work || next_rest.is_some_and(|rest| rest.is_zero()),
                next_rest,
                next_orphans: until(&row, "next_orphans")?,
                paused: paused.into_iter().map(restored).collect(),
                workers: u32::try_from(workers).unwrap_or(u32::MAX),
            }),
        };
        Ok((look, time(row.try_get("now")?)))
    }
}

/// The time in a column of seconds. By the clock of the database: no other clock counts.
fn until(row: &PgRow, column: &str) -> Result<Option<Duration>, sqlx::Error> {
    let seconds: Option<f64> = row.try_get(column)?;
    let until = |seconds: f64| Duration::try_from_secs_f64(seconds.max(0.0));
    Ok(seconds.map(|seconds| until(seconds).unwrap_or(Duration::MAX)))
}
