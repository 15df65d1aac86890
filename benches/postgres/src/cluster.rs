//! A Postgres server of its own, with one database for each measurement.

use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};
use test_postgres::Server;
use tokio::runtime::Runtime;

/// The settings that differ from those of a new server. Nothing is counted unless a database asks for it.
const SETTINGS: [&str; 12] = [
    "-c",
    "shared_preload_libraries=pg_stat_statements,auto_explain",
    "-c",
    "pg_stat_statements.track=none",
    // No round pays for a checkpoint of all rounds before.
    "-c",
    "max_wal_size=4GB",
    "-c",
    "checkpoint_timeout=30min",
    "-c",
    "autovacuum_naptime=10s",
    "-c",
    "max_connections=200",
];

/// The server. It goes, with all data, when this is dropped.
pub(crate) struct Cluster {
    server: Server,
    runtime: Runtime,
    databases: AtomicUsize,
}

/// A database of the server. It is dropped with this.
pub(crate) struct Database<'a> {
    cluster: &'a Cluster,
    name: String,
    url: String,
}

impl Cluster {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let cluster = Self {
            server: Server::start(&SETTINGS),
            runtime: Runtime::new()?,
            databases: AtomicUsize::new(0),
        };
        cluster.run(
            cluster.server.url(),
            "CREATE EXTENSION pg_stat_statements".to_owned(),
        )?;
        Ok(cluster)
    }

    pub(crate) fn database(&self) -> anyhow::Result<Database<'_>> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("measured_{number}");
        self.run(self.server.url(), format!("CREATE DATABASE {name}"))?;
        // What was written before is not part of what is measured now.
        self.run(self.server.url(), "CHECKPOINT".to_owned())?;
        let options: PgConnectOptions = self.server.url().parse()?;
        Ok(Database {
            cluster: self,
            url: options.database(&name).to_url_lossy().to_string(),
            name,
        })
    }

    /// The plans and other news that the server has logged.
    pub(crate) fn log(&self) -> anyhow::Result<String> {
        let (_, folder) = self
            .server
            .url()
            .split_once("?host=")
            .unwrap_or(("", "/tmp"));
        Ok(std::fs::read_to_string(format!("{folder}/data/log"))?)
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    fn run(&self, url: &str, sql: String) -> anyhow::Result<()> {
        self.runtime.block_on(async {
            let mut connection = PgConnection::connect(url).await?;
            sqlx::raw_sql(AssertSqlSafe(sql))
                .execute(&mut connection)
                .await?;
            connection.close().await?;
            Ok(())
        })
    }
}

impl Database<'_> {
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Runs statements without parameters.
    pub(crate) fn run(&self, sql: impl Into<String>) -> anyhow::Result<()> {
        self.cluster.run(&self.url, sql.into())
    }

    /// The values of some expressions.
    pub(crate) fn numbers<const N: usize>(
        &self,
        expressions: [&str; N],
    ) -> anyhow::Result<[f64; N]> {
        let sql = format!("SELECT ARRAY[{}]::float8[]", expressions.join(", "));
        let numbers: Vec<f64> = self.cluster.runtime.block_on(async {
            let mut connection = PgConnection::connect(&self.url).await?;
            let numbers = sqlx::query_scalar(AssertSqlSafe(sql))
                .fetch_one(&mut connection)
                .await?;
            connection.close().await?;
            anyhow::Ok(numbers)
        })?;
        let numbers = numbers.try_into();
        numbers.map_err(|_| anyhow::anyhow!("a number for each expression"))
    }

    /// Lets the server count the statements of this database from now on.
    pub(crate) fn count_statements(&self) -> anyhow::Result<()> {
        let name = &self.name;
        self.run(format!(
            "ALTER DATABASE {name} SET pg_stat_statements.track = 'top'"
        ))
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        if let Err(error) = self.cluster.run(self.cluster.server.url(), drop) {
            eprintln!("{}: {error}", self.name);
        }
    }
}
