//! The servers of a run: a primary, and a standby that is promoted when the primary fails.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use test_postgres::Server;

/// The settings of each server. A crash is the end of a server here, not of the machine.
const SETTINGS: [&str; 6] = [
    "-c",
    "fsync=off",
    "-c",
    "max_connections=300",
    // A standby comes back at once when its primary does.
    "-c",
    "wal_retrieve_retry_interval=50ms",
];

pub(crate) struct Servers {
    primary: Server,
    standby: Option<Server>,
    settings: Vec<&'static str>,
    /// The primaries that have failed.
    failed: Vec<Server>,
}

impl Servers {
    /// A primary with these settings beside the usual ones.
    pub(crate) fn start(settings: &[&'static str]) -> Self {
        let settings = [&SETTINGS, settings].concat();
        Self {
            primary: Server::start(&settings),
            standby: None,
            settings,
            failed: Vec::new(),
        }
    }

    /// The URL of the primary.
    pub(crate) fn url(&self) -> &str {
        self.primary.url()
    }

    pub(crate) async fn connect(&self) -> sqlx::Result<PgConnection> {
        PgConnection::connect(self.url()).await
    }

    /// Runs a statement on the primary, which has to work.
    async fn run(&self, statement: &str) {
        let mut connection = self.connect().await.expect("the primary works");
        let done = sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut connection)
            .await;
        done.expect("the primary works");
    }

    async fn is_so(&self, question: &str) -> bool {
        let mut connection = self.connect().await.expect("the primary works");
        let answer = sqlx::query_scalar(AssertSqlSafe(question))
            .fetch_one(&mut connection)
            .await;
        answer.expect("the primary works")
    }

    /// Adds a standby that has what the primary has now.
    pub(crate) async fn add_standby(&mut self) {
        self.standby = Some(self.primary.standby(&self.settings));
        self.has_all().await;
    }

    /// Waits until the standby has all that the primary has written up to now.
    pub(crate) async fn has_all(&self) {
        self.run("CHECKPOINT").await;
        let mut connection = self.connect().await.expect("the primary works");
        let now: String = sqlx::query_scalar("SELECT pg_current_wal_lsn()::text")
            .fetch_one(&mut connection)
            .await
            .expect("the primary works");
        let has_all =
            format!("SELECT EXISTS (SELECT FROM pg_stat_replication WHERE replay_lsn >= '{now}')");
        while !self.is_so(&has_all).await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// From now on the primary acknowledges only what the standby has, too.
    pub(crate) async fn wait_for_the_standby(&self) {
        self.run("ALTER SYSTEM SET synchronous_standby_names = '*'")
            .await;
        self.run("SELECT pg_reload_conf()").await;
        while !self
            .is_so("SELECT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync')")
            .await
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The primary ends without a word, and comes back.
    pub(crate) async fn outage(&self, pause: Duration) {
        self.primary.crash();
        tokio::time::sleep(pause).await;
        self.primary.restart();
    }

    /// The primary ends without a word, and the standby takes its place.
    pub(crate) fn fail_over(&mut self) {
        self.primary.crash();
        let standby = self.standby.take().expect("there is a standby");
        standby.promote();
        let failed = std::mem::replace(&mut self.primary, standby);
        self.failed.push(failed);
    }

    /// Ends connections of workers that are just committing: their commits wait for the standby. Returns how many.
    pub(crate) async fn kill_in_commit(&self) -> usize {
        self.terminate("wait_event = 'SyncRep'").await
    }

    /// Ends half of all connections of workers. Returns how many.
    pub(crate) async fn kill_connections(&self) -> usize {
        self.terminate("random() < 0.5").await
    }

    async fn terminate(&self, which: &str) -> usize {
        // The server may be just starting.
        let Ok(mut connection) = self.connect().await else {
            return 0;
        };
        let terminate = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE application_name LIKE 'worker-%' AND backend_type = 'client backend' AND {which}"
        );
        let ended = sqlx::query(AssertSqlSafe(terminate))
            .fetch_all(&mut connection)
            .await;
        ended.map_or(0, |ended| ended.len())
    }
}
