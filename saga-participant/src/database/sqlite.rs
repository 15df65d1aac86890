//! The answers in SQLite. The first statement writes, so a transaction waits for the one that writes already and never
//! finds that what it has read is out of date.

use std::time::SystemTime;

use sqlx::{Pool, SqlStr, Sqlite, SqliteConnection};

use super::{Database, FORGOTTEN_AT_ONCE, Row, State, Statements, Store, milliseconds, statement};
use crate::table::Table;

impl Database for Sqlite {}

impl Store for Sqlite {
    fn statements(table: &Table) -> Statements {
        let (name, quoted) = (table.quoted_name(), table.quoted());
        let index = format!("{}{}", table.schema_prefix(), table.quoted_index());
        let find = format!("SELECT state, request, answer FROM {quoted} WHERE key = ?1");
        Statements {
            create: statement(format!(
                "\
-- One row per idempotency key, written in the transaction that carries the request out.
CREATE TABLE IF NOT EXISTS {quoted} (
    key TEXT NOT NULL PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('begun', 'answered', 'refused', 'cancelled')),
    -- What was asked for, if the service tells requests apart.
    request TEXT,
    -- What was returned, or why the request was refused: JSON.
    answer TEXT,
    -- In milliseconds since 1970.
    changed_at INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)),
    CHECK (answer IS NOT NULL OR state IN ('begun', 'cancelled'))
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS {index} ON {name} (changed_at);
"
            )),
            insert: statement(format!(
                "INSERT INTO {quoted} (key, state, request) VALUES (?1, ?2, ?3) ON CONFLICT (key) DO NOTHING"
            )),
            find: statement(find.clone()),
            // One transaction writes at a time, and this one has written.
            find_and_lock: statement(find),
            settle: statement(format!(
                "UPDATE {quoted} SET state = ?2, answer = coalesce(answer, ?3),
                 changed_at = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) WHERE key = ?1"
            )),
            forget: statement(format!(
                "DELETE FROM {quoted} WHERE key IN
                 (SELECT key FROM {quoted} WHERE changed_at < ?1 ORDER BY changed_at LIMIT {FORGOTTEN_AT_ONCE})"
            )),
        }
    }

    async fn insert(
        connection: &mut SqliteConnection,
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
        connection: &mut SqliteConnection,
        find: SqlStr,
        key: &str,
    ) -> Result<Option<Row>, sqlx::Error> {
        let row = sqlx::query_as(find).bind(key).fetch_optional(connection);
        row.await?.map(Row::new).transpose()
    }

    async fn settle(
        connection: &mut SqliteConnection,
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
        let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
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
