//! The databases of the service under test: where they are, and how payments are stored in each.

use std::fmt::Debug;
use std::time::Duration;

use saga_participant::Database;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{Pool, Postgres, Sqlite};
use tempfile::TempDir;
use test_postgres::Server;

/// More than any test asks for at once.
const CONNECTIONS: u32 = 12;

/// A database of payments. A second payment under one key is stored like the first, so that a test sees it.
pub(crate) trait Bank: Database {
    /// What keeps the database, until it is dropped.
    type Home: Debug + Send + Sync;

    /// Creates an empty database.
    fn home() -> impl Future<Output = Self::Home> + Send;

    /// The URL of the database.
    fn url(home: &Self::Home) -> String;

    /// Opens the database, which may have no tables yet.
    fn open(url: &str) -> impl Future<Output = Result<Pool<Self>, sqlx::Error>> + Send;

    /// Creates the table of payments if there is none.
    fn create_table(pool: &Pool<Self>) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Stores a payment, and returns its number.
    fn take(
        connection: &mut Self::Connection,
        key: &str,
    ) -> impl Future<Output = Result<i64, sqlx::Error>> + Send;

    /// Gives a payment back.
    fn give_back(
        connection: &mut Self::Connection,
        id: i64,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// The payments under a key: the number of each, and how often it was given back.
    fn payments(
        pool: &Pool<Self>,
        key: &str,
    ) -> impl Future<Output = Result<Vec<(i64, i64)>, sqlx::Error>> + Send;

    /// Runs a statement, and returns how many rows it has changed.
    fn execute(
        pool: &Pool<Self>,
        statement: &'static str,
    ) -> impl Future<Output = Result<u64, sqlx::Error>> + Send;
}

impl Bank for Sqlite {
    type Home = TempDir;

    async fn home() -> TempDir {
        tempfile::tempdir().expect("a temporary folder")
    }

    fn url(home: &TempDir) -> String {
        format!("sqlite://{}", home.path().join("bank.db").display())
    }

    async fn open(url: &str) -> Result<Pool<Self>, sqlx::Error> {
        let options: SqliteConnectOptions = url.parse()?;
        let options = options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .busy_timeout(Duration::from_mins(5));
        SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .connect_with(options)
            .await
    }

    async fn create_table(pool: &Pool<Self>) -> Result<(), sqlx::Error> {
        let create = sqlx::raw_sql(
            "CREATE TABLE IF NOT EXISTS payments (id INTEGER PRIMARY KEY, key TEXT NOT NULL,
                given_back INTEGER NOT NULL DEFAULT 0);
             CREATE INDEX IF NOT EXISTS payments_by_key ON payments (key)",
        );
        create.execute(pool).await.map(drop)
    }

    async fn take(connection: &mut Self::Connection, key: &str) -> Result<i64, sqlx::Error> {
        let take = sqlx::query_scalar("INSERT INTO payments (key) VALUES (?) RETURNING id");
        take.bind(key).fetch_one(connection).await
    }

    async fn give_back(connection: &mut Self::Connection, id: i64) -> Result<(), sqlx::Error> {
        let give_back = sqlx::query("UPDATE payments SET given_back = given_back + 1 WHERE id = ?");
        give_back.bind(id).execute(connection).await.map(drop)
    }

    async fn payments(pool: &Pool<Self>, key: &str) -> Result<Vec<(i64, i64)>, sqlx::Error> {
        let payments = sqlx::query_as("SELECT id, given_back FROM payments WHERE key = ?");
        payments.bind(key).fetch_all(pool).await
    }

    async fn execute(pool: &Pool<Self>, statement: &'static str) -> Result<u64, sqlx::Error> {
        Ok(sqlx::query(statement).execute(pool).await?.rows_affected())
    }
}

impl Bank for Postgres {
    type Home = test_postgres::Database;

    async fn home() -> Self::Home {
        Server::shared().database().await
    }

    fn url(home: &Self::Home) -> String {
        home.url().to_owned()
    }

    async fn open(url: &str) -> Result<Pool<Self>, sqlx::Error> {
        PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .connect(url)
            .await
    }

    async fn create_table(pool: &Pool<Self>) -> Result<(), sqlx::Error> {
        let create = sqlx::raw_sql(
            "CREATE TABLE IF NOT EXISTS payments (id bigserial PRIMARY KEY, key text NOT NULL,
                given_back bigint NOT NULL DEFAULT 0);
             CREATE INDEX IF NOT EXISTS payments_by_key ON payments (key)",
        );
        create.execute(pool).await.map(drop)
    }

    async fn take(connection: &mut Self::Connection, key: &str) -> Result<i64, sqlx::Error> {
        let take = sqlx::query_scalar("INSERT INTO payments (key) VALUES ($1) RETURNING id");
        take.bind(key).fetch_one(connection).await
    }

    async fn give_back(connection: &mut Self::Connection, id: i64) -> Result<(), sqlx::Error> {
        let give_back =
            sqlx::query("UPDATE payments SET given_back = given_back + 1 WHERE id = $1");
        give_back.bind(id).execute(connection).await.map(drop)
    }

    async fn payments(pool: &Pool<Self>, key: &str) -> Result<Vec<(i64, i64)>, sqlx::Error> {
        let payments = sqlx::query_as("SELECT id, given_back FROM payments WHERE key = $1");
        payments.bind(key).fetch_all(pool).await
    }

    async fn execute(pool: &Pool<Self>, statement: &'static str) -> Result<u64, sqlx::Error> {
        Ok(sqlx::query(statement).execute(pool).await?.rows_affected())
    }
}
