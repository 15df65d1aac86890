//! What workers ask of the worker that holds a saga: a cancellation, an event, its release for an operator, word of its end.

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row as _};

use crate::id::SagaId;
use crate::journal::postgres::Shared;
use crate::journal::postgres::connections::RunOn as _;
use crate::journal::postgres::text::{restored, stored};
use crate::journal::{Forwarded, PostedEvent, Requests, Worker};

impl Shared {
    /// Records the wish to cancel a saga, and tells its holder, or all workers if it has none.
    pub(super) async fn cancel(&self, id: &SagaId, reason: &str) -> Result<bool, sqlx::Error> {
        let sql = self.schema.sql(
            "WITH noted AS (
                 UPDATE {schema}.open_sagas o
                 SET wake_at = NULL, cancel_unheard = true,
                     cancel_at = coalesce(o.cancel_at, clock_timestamp()),
                     cancel_reason = coalesce(o.cancel_reason, $2)
                 FROM {schema}.sagas s WHERE s.number = o.number AND s.id = $1
                 RETURNING o.number, o.worker
             )
             SELECT number, pg_notify($3, CASE WHEN worker IS NULL THEN 'work' ELSE 'asked ' || number END)::text
             FROM noted",
        );
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(stored(id.as_str()))
            .bind(stored(reason))
            .bind(self.schema.channel())
            .optional_on(&self.pool)
            .await?;
        Ok(row.is_some())
    }

    /// Notes that an operator of another process waits for the release of a saga, and tells its holder. A second call tells it again:
    /// it may not have heard the first one.
    pub(super) async fn call(&self, id: &SagaId) -> Result<Forwarded, sqlx::Error> {
        let sql = self.schema.sql(
            "WITH noted AS (
                 UPDATE {schema}.open_sagas o SET called = true
                 FROM {schema}.sagas s WHERE s.number = o.number AND s.id = $1 AND o.worker IS NOT NULL
                 RETURNING o.number
             )
             SELECT number, pg_notify($2, 'asked ' || number)::text FROM noted",
        );
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(stored(id.as_str()))
            .bind(self.schema.channel())
            .optional_on(&self.pool)
            .await?;
        Ok(forwarded(row.as_ref()))
    }

    /// Records an event for the holder of a saga, and tells it.
    pub(super) async fn post(
        &self,
        id: &SagaId,
        event: &PostedEvent,
    ) -> Result<Forwarded, sqlx::Error> {
        let sql = self.schema.sql(
            "WITH noted AS (
                 UPDATE {schema}.open_sagas o SET cancel_unheard = true
                 FROM {schema}.sagas s WHERE s.number = o.number AND s.id = $1 AND o.worker IS NOT NULL
                 RETURNING o.number
             ), posted AS (
                 INSERT INTO {schema}.posted_events (saga, name, key, payload)
                 SELECT number, $3, $4, $5 FROM noted
                 WHERE NOT EXISTS (SELECT FROM {schema}.posted_events p
                                   WHERE p.saga = noted.number AND p.name = $3 AND p.key = $4)
             )
             SELECT number, pg_notify($2, 'asked ' || number)::text FROM noted",
        );
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(stored(id.as_str()))
            .bind(self.schema.channel())
            .bind(stored(&event.name))
            .bind(stored(&event.key))
            .bind(&event.payload)
            .optional_on(&self.pool)
            .await?;
        Ok(forwarded(row.as_ref()))
    }

    /// What was asked of the sagas that a worker holds.
    pub(super) async fn requests(&self, worker: &Worker) -> Result<Requests, sqlx::Error> {
        let sql = self.schema.sql(
            "SELECT s.id, NULL AS number, NULL AS name, NULL AS key, NULL AS payload
             FROM {schema}.open_sagas o JOIN {schema}.sagas s USING (number) WHERE o.worker = $1 AND o.called
             UNION ALL
             SELECT s.id, p.number, p.name, p.key, p.payload
             FROM {schema}.posted_events p JOIN {schema}.open_sagas o ON o.number = p.saga
                 JOIN {schema}.sagas s ON s.number = p.saga
             WHERE o.worker = $1
             ORDER BY number",
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(worker.as_str())
            .all_on(&self.pool)
            .await?;
        let mut requests = Requests::default();
        for row in &rows {
            let Ok(id) = SagaId::new(restored(row.try_get("id")?)) else {
                continue;
            };
            match row.try_get::<Option<i64>, _>("number")? {
                None => requests.called.push(id),
                Some(_) => requests.posted.push((id, posted_event(row)?)),
            }
        }
        Ok(requests)
    }

    /// Notes that a caller of this process waits for the end of a saga.
    pub(super) async fn watch(&self, id: &SagaId) -> Result<(), sqlx::Error> {
        let sql = self.schema.sql(
            "UPDATE {schema}.open_sagas o SET watched = true
             FROM {schema}.sagas s WHERE s.number = o.number AND s.id = $1 AND NOT o.watched",
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(stored(id.as_str()))
            .run_on(&self.pool)
            .await?;
        Ok(())
    }
}

fn forwarded(row: Option<&PgRow>) -> Forwarded {
    match row {
        Some(_) => Forwarded::Recorded,
        None => Forwarded::NotHeld,
    }
}

/// The event in a row of `posted_events`.
pub(super) fn posted_event(row: &PgRow) -> Result<PostedEvent, sqlx::Error> {
    Ok(PostedEvent {
        name: restored(row.try_get("name")?),
        payload: row.try_get("payload")?,
        key: restored(row.try_get("key")?),
    })
}
