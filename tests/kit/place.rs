//! The places of journals whose process is killed, and their rows.

use std::path::PathBuf;
use std::time::Duration;

use saga_runtime::coordinator::Builder;
use saga_runtime::journal::Postgres;
use saga_runtime::testing::TestCoordinator;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};
use tempfile::TempDir;
use test_postgres::Server;

/// The journal of durable sagas, under a process that is killed.
pub(crate) enum Place {
    Memory,
    File {
        folder: TempDir,
        files: usize,
    },
    Database {
        /// The connections of the process.
        pool: PgPool,
        journal: Postgres,
        connection: Box<PgConnection>,
        schema: String,
    },
}

impl Place {
    pub(crate) fn file() -> Self {
        let folder = TempDir::new().expect("a folder for the test");
        Self::File { folder, files: 0 }
    }

    /// A schema that nothing else uses.
    pub(crate) async fn database(schema: &str) -> Self {
        let schema = format!("{schema}_{}", std::process::id());
        let connection = PgConnection::connect(Server::shared().url()).await;
        let (pool, journal) = connected(&schema).await;
        Self::Database {
            pool,
            journal,
            connection: Box::new(connection.expect("the server works")),
            schema,
        }
    }

    /// Starts a coordinator on a journal without a saga. Where time is real, a saga that waits is suspended at once.
    pub(crate) async fn start<S: Send + Sync + 'static>(
        &mut self,
        settings: impl Fn() -> Builder<S> + Send + Sync + 'static,
    ) -> TestCoordinator<S> {
        if matches!(self, Self::Memory) {
            return TestCoordinator::start(settings).await;
        }
        if let Self::File { files, .. } = self {
            *files += 1;
        } else {
            let tables = ["open_sagas", "entries", "sagas"];
            let delete = tables.map(|table| format!("DELETE FROM {{schema}}.{table};"));
            self.execute(&delete.concat()).await;
        }
        self.started(settings).await
    }

    async fn started<S: Send + Sync + 'static>(
        &self,
        settings: impl Fn() -> Builder<S> + Send + Sync + 'static,
    ) -> TestCoordinator<S> {
        let settings = move || settings().patience(Duration::ZERO);
        match self {
            Self::Database { journal, .. } => {
                TestCoordinator::start_in_postgres(journal.clone(), settings).await
            }
            _ => TestCoordinator::start_in_file(self.path(), settings).await,
        }
    }

    /// Waits until the database has carried out what the killed process had asked it for. It gets nothing more: the connections of the
    /// process end. A file has no such rest.
    pub(crate) async fn hears_no_more(&self) {
        if let Self::Database { pool, .. } = self {
            pool.close().await;
        }
    }

    /// Starts the next coordinator after a killed one that is heard no more.
    pub(crate) async fn next<S: Send + Sync + 'static>(
        &mut self,
        settings: impl Fn() -> Builder<S> + Send + Sync + 'static,
    ) -> TestCoordinator<S> {
        if let Self::Database {
            pool,
            journal,
            schema,
            ..
        } = self
        {
            (*pool, *journal) = connected(schema).await;
            let ended = "UPDATE {schema}.workers SET valid_until = clock_timestamp()";
            self.execute(ended).await;
        }
        self.started(settings).await
    }

    /// The file of the last coordinator.
    pub(crate) fn path(&self) -> PathBuf {
        match self {
            Self::File { folder, files } => folder.path().join(format!("{files}.db")),
            _ => panic!("there is no file"),
        }
    }

    /// Executes SQL on the tables of the last coordinator, which is killed.
    pub(crate) async fn execute(&mut self, sql: &str) {
        match self {
            Self::Memory => panic!("there are no tables"),
            Self::File { .. } => {
                let connection = rusqlite::Connection::open(self.path()).expect("a database");
                let sql = sql.replace("{schema}.", "");
                let executed = connection.execute_batch(&sql);
                executed.unwrap_or_else(|error| panic!("{sql}: {error}"));
            }
            Self::Database {
                connection, schema, ..
            } => {
                let sql = sql.replace("{schema}", schema);
                let executed = sqlx::raw_sql(AssertSqlSafe(&*sql));
                let executed = executed.execute(&mut **connection).await;
                executed.unwrap_or_else(|error| panic!("{sql}: {error}"));
            }
        }
    }
}

/// A journal in this schema, with the connections that it uses.
async fn connected(schema: &str) -> (PgPool, Postgres) {
    let pool = PgPool::connect(Server::shared().url()).await;
    let pool = pool.expect("the server works");
    let journal = Postgres::options().schema(schema).open(pool.clone()).await;
    (pool, journal.expect("the server works"))
}
