//! The tables of a journal in Postgres: their schema, and how an older one is brought to the present form.

use std::time::SystemTime;

use sqlx::{AssertSqlSafe, PgConnection, Row as _};

use crate::journal::JournalError;
use crate::journal::postgres::connections::Connections;
use crate::journal::postgres::read::time;

/// The schema that holds the tables.
#[derive(Debug, Clone)]
pub(super) struct Schema {
    /// Checked, so that it can be quoted.
    name: String,
    /// Makes a mistake, for a test that finds it.
    #[cfg(feature = "testing")]
    pub(super) rewrite: Option<fn(&str) -> String>,
}

impl Schema {
    /// # Errors
    /// If the name has other characters than small letters, digits and `_`, or is too long.
    pub(super) fn new(name: &str) -> Result<Self, JournalError> {
        let is_first = |char: char| char.is_ascii_lowercase() || char == '_';
        let is_fine = name.len() <= 63
            && name.starts_with(is_first)
            && name
                .chars()
                .all(|char| is_first(char) || char.is_ascii_digit());
        if is_fine {
            Ok(Self {
                name: name.to_owned(),
                #[cfg(feature = "testing")]
                rewrite: None,
            })
        } else {
            Err(unsuitable(format!(
                "`{}` can't be the schema of a journal: use small letters, digits and `_`, at most 63 of them",
                name.escape_debug()
            )))
        }
    }

    /// The name, to be used as a value.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The channel on which workers tell each other that there is something to do.
    pub(super) fn channel(&self) -> String {
        format!("saga journal {}", self.name)
    }

    /// The SQL text, with `{schema}` in it replaced.
    pub(super) fn sql(&self, text: &str) -> String {
        let quoted = format!("\"{}\"", self.name);
        #[cfg(feature = "testing")]
        if let Some(rewrite) = self.rewrite {
            return rewrite(text).replace("{schema}", &quoted);
        }
        text.replace("{schema}", &quoted)
    }
}

/// The migrations, the oldest first. A migration that was released never changes.
const MIGRATIONS: [(&str, &str); 6] = [
    ("0001_sagas", include_str!("migrations/0001_sagas.sql")),
    (
        "0002_abandoned_sagas",
        include_str!("migrations/0002_abandoned_sagas.sql"),
    ),
    (
        "0003_failing_sagas",
        include_str!("migrations/0003_failing_sagas.sql"),
    ),
    (
        "0004_paused_definitions",
        include_str!("migrations/0004_paused_definitions.sql"),
    ),
    (
        "0005_requests",
        include_str!("migrations/0005_requests.sql"),
    ),
    ("0006_traces", include_str!("migrations/0006_traces.sql")),
];

/// Checks the server, and brings the tables to the present form. Returns the time of the server.
pub(super) async fn prepare(
    pool: &Connections,
    schema: &Schema,
) -> Result<SystemTime, JournalError> {
    // One transaction, and no statement that outlasts it, so that it works behind a pooling proxy.
    let mut transaction = pool.begin().await.map_err(JournalError::unavailable)?;
    check_server(&mut transaction).await?;
    migrate(&mut transaction, schema).await?;
    forget_workers(&mut transaction, schema).await?;
    let now = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8";
    let now = sqlx::query(now)
        .persistent(false)
        .fetch_one(&mut *transaction)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(JournalError::unavailable)?;
    let now = time(now);
    transaction
        .commit()
        .await
        .map_err(JournalError::unavailable)?;
    Ok(now)
}

/// Brings the tables to the present form. Only one process at a time does this, the others wait.
async fn migrate(transaction: &mut PgConnection, schema: &Schema) -> Result<(), JournalError> {
    let run = async |transaction: &mut PgConnection, sql: &str| {
        sqlx::raw_sql(AssertSqlSafe(schema.sql(sql)))
            .execute(transaction)
            .await
            .map_err(JournalError::unavailable)
    };
    sqlx::query("SELECT pg_advisory_xact_lock(hashtext('saga journal'), hashtext($1))")
        .bind(schema.name())
        .persistent(false)
        .execute(&mut *transaction)
        .await
        .map_err(JournalError::unavailable)?;
    // A role that may not create them gets an error from `IF NOT EXISTS`, also if they are there.
    if !is_so(
        transaction,
        schema,
        "to_regnamespace('{schema}') IS NOT NULL",
    )
    .await?
    {
        run(transaction, "CREATE SCHEMA {schema}").await?;
    }
    if !is_so(
        transaction,
        schema,
        "to_regclass('{schema}.migrations') IS NOT NULL",
    )
    .await?
    {
        run(
            transaction,
            "CREATE TABLE {schema}.migrations (
                 name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())",
        )
        .await?;
    }
    let applied: Vec<String> = sqlx::query(AssertSqlSafe(
        schema.sql("SELECT name FROM {schema}.migrations"),
    ))
    .persistent(false)
    .fetch_all(&mut *transaction)
    .await
    .map_err(JournalError::unavailable)?
    .iter()
    .map(|row| row.try_get(0).map_err(JournalError::unavailable))
    .collect::<Result<_, _>>()?;
    if let Some(newer) = applied
        .iter()
        .find(|name| !MIGRATIONS.iter().any(|(known, _)| known == name))
    {
        return Err(unsuitable(format!(
            "the journal in the schema `{}` was written by a newer version of this library (migration `{newer}`): update \
             this program",
            schema.name()
        )));
    }
    for (name, sql) in MIGRATIONS {
        if applied.iter().any(|applied| applied == name) {
            continue;
        }
        run(transaction, sql).await?;
        sqlx::query(AssertSqlSafe(
            schema.sql("INSERT INTO {schema}.migrations (name) VALUES ($1)"),
        ))
        .bind(name)
        .persistent(false)
        .execute(&mut *transaction)
        .await
        .map_err(JournalError::unavailable)?;
    }
    Ok(())
}

/// Asks for the value of a condition.
async fn is_so(
    connection: &mut PgConnection,
    schema: &Schema,
    condition: &str,
) -> Result<bool, JournalError> {
    let sql = schema.sql(&format!("SELECT {condition}"));
    let row = sqlx::query(AssertSqlSafe(sql))
        .persistent(false)
        .fetch_one(connection)
        .await
        .map_err(JournalError::unavailable)?;
    row.try_get(0).map_err(JournalError::unavailable)
}

/// Removes the workers whose lease is over and that hold no saga. Each process adds one. A worker that is removed although
/// it still runs comes back with its next renewal. A role that only reads removes none.
async fn forget_workers(
    connection: &mut PgConnection,
    schema: &Schema,
) -> Result<(), JournalError> {
    let may_forget = "has_table_privilege('{schema}.workers', 'DELETE')";
    if !is_so(connection, schema, may_forget).await? {
        return Ok(());
    }
    let sql = schema.sql(
        "DELETE FROM {schema}.workers w WHERE valid_until < clock_timestamp()
         AND NOT EXISTS (SELECT FROM {schema}.open_sagas o WHERE o.worker = w.name)",
    );
    sqlx::query(AssertSqlSafe(sql))
        .persistent(false)
        .execute(connection)
        .await
        .map_err(JournalError::unavailable)?;
    Ok(())
}

/// Checks that the server holds what a journal promises.
async fn check_server(connection: &mut PgConnection) -> Result<(), JournalError> {
    let row = sqlx::query(
        "SELECT pg_is_in_recovery(), current_setting('fsync'), current_setting('synchronous_commit')",
    )
    .persistent(false)
    .fetch_one(connection)
    .await
    .map_err(JournalError::unavailable)?;
    let column = |index| {
        row.try_get::<String, _>(index)
            .map_err(JournalError::unavailable)
    };
    if row.try_get(0).map_err(JournalError::unavailable)? {
        return Err(unsuitable(
            "this server is a standby: a journal needs the primary".to_owned(),
        ));
    }
    for (index, setting) in [(1, "fsync"), (2, "synchronous_commit")] {
        if column(index)? == "off" {
            tracing::warn!(
                target: "saga",
                setting,
                "the server can lose sagas that it has acknowledged: turn this setting on"
            );
        }
    }
    Ok(())
}

fn unsuitable(message: String) -> JournalError {
    JournalError::Unsuitable { message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_schemas_are_checked() {
        for name in ["saga", "_", "a1_b"] {
            assert!(Schema::new(name).is_ok(), "{name}");
        }
        for name in ["", "1a", "A", "a-b", "a\"b", "a b", "ä", &"a".repeat(64)] {
            assert!(Schema::new(name).is_err(), "{name}");
        }
    }
}
