//! The places of journals whose process is killed, and their rows.

use std::path::PathBuf;
use std::time::Duration;

use saga_runtime::coordinator::Builder;
use saga_runtime::journal::Postgres;
use saga_runtime::testing::TestCoordinator;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
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
        let url = Server::shared().url();
        let journal = Postgres::options().schema(&*schema).connect(url).await;
        let connection = PgConnection::connect(url).await;
        Self::Database {
            journal: journal.expect("the server works"),
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
        let settings = move || settings().patience(Duration::ZERO);
        if let Self::File { files, .. } = self {
            *files += 1;
        } else {
            let tables = ["open_sagas", "entries", "sagas"];
            let delete = tables.map(|table| format!("DELETE FROM {{schema}}.{table};"));
            self.execute(&delete.concat()).await;
        }
        match self {
            Self::Database { journal, .. } => {
                TestCoordinator::start_in_postgres(journal.clone(), settings).await
            }
            _ => TestCoordinator::start_in_file(self.path(), settings).await,
        }
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
        assert!(self.executes(sql).await, "there are such rows: {sql}");
    }

    /// Executes SQL on these tables. Returns false if it adds a row that is there.
    pub(crate) async fn executes(&mut self, sql: &str) -> bool {
        match self {
            Self::Memory => panic!("there are no tables"),
            Self::File { .. } => {
                let connection = rusqlite::Connection::open(self.path()).expect("a database");
                let sql = sql.replace("{schema}.", "");
                let executed = connection.execute_batch(&sql);
                executed.unwrap_or_else(|error| panic!("{sql}: {error}"));
                true
            }
            Self::Database {
                connection, schema, ..
            } => {
                let sql = sql.replace("{schema}", schema);
                let executed = sqlx::raw_sql(AssertSqlSafe(&*sql));
                match executed.execute(&mut **connection).await {
                    Ok(_) => true,
                    Err(error) if is_double(&error) => false,
                    Err(error) => panic!("{sql}: {error}"),
                }
            }
        }
    }
}

fn is_double(error: &sqlx::Error) -> bool {
    let error = error.as_database_error();
    error.is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}
