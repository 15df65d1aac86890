//! A participant's database: a file of its own, and the migrations it brings along.

use std::path::Path;

use anyhow::Context as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{SqlSafeStr as _, Sqlite, SqlitePool, Transaction};

/// Opens the file, creates it if there is none, and brings its tables up to date.
///
/// # Errors
/// When it can't be opened, or holds something that the migrations don't fit.
pub async fn open(file: &Path, migrations: &Migrator) -> anyhow::Result<SqlitePool> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        // A payment that was acknowledged must survive a power cut; in WAL mode only FULL promises that.
        .synchronous(SqliteSynchronous::Full);
    let database = SqlitePoolOptions::new()
        // SQLite writes one transaction at a time anyway: waiting in the pool's queue is fair, waiting on its lock isn't.
        .max_connections(1)
        .connect_with(options)
        .await
        .with_context(|| format!("cannot open the database {}", file.display()))?;
    migrations
        .run(&database)
        .await
        .with_context(|| format!("cannot migrate the database {}", file.display()))?;
    Ok(database)
}

/// Begins a transaction that may write. Dropped without a commit, it leaves no trace.
pub(crate) async fn begin(
    database: &SqlitePool,
) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
    database.begin_with("BEGIN IMMEDIATE").await
}

/// One change of the tables, and the way back.
pub(crate) fn migration(
    version: i64,
    description: &'static str,
    up: &'static str,
    down: &'static str,
) -> [Migration; 2] {
    let migration = |kind, sql: &'static str| {
        Migration::new(version, description.into(), kind, sql.into_sql_str(), false)
    };
    [
        migration(MigrationType::ReversibleUp, up),
        migration(MigrationType::ReversibleDown, down),
    ]
}
