//! The start of a saga in a transaction of the caller's.

use sqlx::{AssertSqlSafe, PgConnection};

use crate::journal::NewSaga;
use crate::journal::postgres::schema::Schema;
use crate::journal::postgres::text::stored;
use crate::trace::TraceContext;

/// Records a new saga. The commit tells all workers of it. Returns `false` if the id is taken.
pub(super) async fn in_transaction(
    transaction: &mut PgConnection,
    schema: &Schema,
    saga: NewSaga,
) -> Result<bool, sqlx::Error> {
    let sql = schema.sql(
        "WITH started AS (
             INSERT INTO {schema}.sagas (id, name, version, fingerprint, input, traceparent, tracestate, started_at)
             VALUES ($1, $2, $3, $4, $5::text::json, $6, $7, clock_timestamp())
             ON CONFLICT (id) DO NOTHING
             RETURNING number, name
         ), opened AS (
             INSERT INTO {schema}.open_sagas (number, name, epoch) SELECT number, name, 0 FROM started
         )
         SELECT pg_notify($8, 'work')::text FROM started",
    );
    let trace = saga.trace.as_ref();
    let started = sqlx::query(AssertSqlSafe(sql))
        .bind(stored(saga.id.as_str()))
        .bind(stored(&saga.name))
        .bind(i64::from(saga.version))
        .bind(saga.fingerprint.cast_signed())
        .bind(&saga.input)
        .bind(trace.map(TraceContext::traceparent))
        .bind(trace.and_then(TraceContext::tracestate))
        .bind(schema.channel())
        // The caller may be behind a proxy that pools transactions.
        .persistent(false)
        .fetch_optional(transaction)
        .await?;
    Ok(started.is_some())
}
