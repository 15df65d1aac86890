//! The answers in Postgres. The index of the keys makes the second of two equal requests wait for the first.

use std::time::SystemTime;

use sqlx::{PgConnection, Pool, Postgres, SqlStr};

use super::{
    Database, FORGOTTEN_AT_ONCE, Row, State, Statements, Store, begin_transaction, milliseconds,
    statement,
};
use crate::table::Table;

/// Held while a table is created: two processes that create one at the same time would meet in the catalog.
const CREATION_LOCK: i64 = 0x5a6a_9a27_1c1b_a001;

impl Database for Postgres {}

impl Store for Postgres {
    fn statements(table: &Table) -> Statements {
        let (quoted, index) = (table.quoted(), table.quoted_index());
        let find = format!("SELECT state, request, answer::text FROM {quoted} WHERE key = $1");
        Statements {
            create: statement(format!(
                "\
-- One row per idempotency key, written in the transaction that carries the request out.
CREATE TABLE IF NOT EXISTS {quoted} (
    key text COLLATE \"C\" NOT NULL PRIMARY KEY,
    state text NOT NULL CHECK (state IN ('begun', 'answered', 'refused', 'cancelled')),
    -- What was asked for, if the service tells requests apart.
    request text,
    -- What was returned, or why the request was refused. Not jsonb: the numbers stay as they were written.
    answer json,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (answer IS NOT NULL OR state IN ('begun', 'cancelled'))
);
CREATE INDEX IF NOT EXISTS {index} ON {quoted} (changed_at);
"
            )),
            insert: statement(format!(
                "INSERT INTO {quoted} (key, state, request) VALUES ($1, $2, $3) ON CONFLICT (key) DO NOTHING"
            )),
            find_and_lock: statement(format!("{find} FOR UPDATE")),
            find: statement(find),
            settle: statement(format!(
                "UPDATE {quoted} SET state = $2, answer = coalesce(answer, $3::text::json),
                 changed_at = clock_timestamp() WHERE key = $1"
            )),
            forget: statement(format!(
                "DELETE FROM {quoted} WHERE key IN
                 (SELECT key FROM {quoted} WHERE changed_at < to_timestamp($1::bigint / 1000.0) ORDER BY changed_at
                  LIMIT {FORGOTTEN_AT_ONCE} FOR UPDATE SKIP LOCKED)"
            )),
        }
    }

    async fn insert(
        connection: &mut PgConnection,
        insert: SqlStr,
        key: &str,
        state: State,
        request: Option<&str>,
    ) -> Result<bool, sqlx::Error> {
        let insert = sqlx::query(insert)
            .bind(key)
            .bind(state.name())
            .bind(request);
        Ok(insert.execute(connection).await?.rows_affected() > 0)
    }

    async fn find(
        connection: &mut PgConnection,
        find: SqlStr,
        key: &str,
    ) -> Result<Option<Row>, sqlx::Error> {
        let row = sqlx::query_as(find).bind(key).fetch_optional(connection);
        row.await?.map(Row::new).transpose()
    }

    async fn settle(
        connection: &mut PgConnection,
        settle: SqlStr,
        key: &str,
        state: State,
        answer: Option<&str>,
    ) -> Result<(), sqlx::Error> {
        let settle = sqlx::query(settle)
            .bind(key)
            .bind(state.name())
            .bind(answer);
        settle.execute(connection).await.map(drop)
    }

    async fn create(pool: &Pool<Self>, create: SqlStr) -> Result<(), sqlx::Error> {
        let mut transaction = begin_transaction(pool).await?;
        let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(CREATION_LOCK);
        lock.execute(&mut *transaction).await?;
        sqlx::raw_sql(create).execute(&mut *transaction).await?;
        transaction.commit().await
    }

    async fn forget(
        pool: &Pool<Self>,
        forget: SqlStr,
        time: SystemTime,
    ) -> Result<u64, sqlx::Error> {
        let forget = sqlx::query(forget).bind(milliseconds(time));
        Ok(forget.execute(pool).await?.rows_affected())
    }
}
