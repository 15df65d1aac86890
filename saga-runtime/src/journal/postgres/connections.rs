//! The connections of a journal, direct or through a proxy that gives each transaction another one of the server.

use std::ops::Deref;

use sqlx::postgres::{PgArguments, PgPool, PgQueryResult, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, Transaction};

/// The connections of a journal.
#[derive(Debug, Clone)]
pub(super) struct Connections {
    pool: PgPool,
    /// Whether nothing outlasts a transaction: no prepared statement, no listening.
    pools_transactions: bool,
}

type Statement<'q> = Query<'q, Postgres, PgArguments>;

impl Connections {
    pub(super) fn new(pool: PgPool, pools_transactions: bool) -> Self {
        Self {
            pool,
            pools_transactions,
        }
    }

    /// Whether statements stay prepared after a transaction.
    pub(super) fn keep_statements(&self) -> bool {
        !self.pools_transactions
    }

    /// Begins a transaction, in a task of its own. If the caller goes away meanwhile, the task ends the transaction: with sqlx alone, the
    /// connection would go back to the pool inside of it, and the writes of the next caller would be lost.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        let pool = self.pool.clone();
        let begun = tokio::spawn(async move { pool.begin().await });
        begun.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
    }

    /// Begins a transaction, if a single statement needs one: it is prepared and run in two steps, which have to reach the same
    /// connection of the server.
    async fn begin_for_one(&self) -> Result<Option<Transaction<'static, Postgres>>, sqlx::Error> {
        if self.pools_transactions {
            self.begin().await.map(Some)
        } else {
            Ok(None)
        }
    }
}

impl Deref for Connections {
    type Target = PgPool;

    fn deref(&self) -> &PgPool {
        &self.pool
    }
}

/// Runs one statement on some connection.
pub(super) trait RunOn {
    /// Runs the statement. Returns all of its rows.
    async fn all_on(self, connections: &Connections) -> Result<Vec<PgRow>, sqlx::Error>;

    /// Runs the statement. Returns its row, if there is one.
    async fn optional_on(self, connections: &Connections) -> Result<Option<PgRow>, sqlx::Error>;

    /// Runs the statement. Returns its row.
    async fn one_on(self, connections: &Connections) -> Result<PgRow, sqlx::Error>;

    /// Runs the statement.
    async fn run_on(self, connections: &Connections) -> Result<PgQueryResult, sqlx::Error>;
}

macro_rules! run_on {
    ($($name:ident $fetch:ident $output:ty;)+) => {$(
        async fn $name(self, connections: &Connections) -> Result<$output, sqlx::Error> {
            let Some(mut transaction) = connections.begin_for_one().await? else {
                return self.$fetch(&connections.pool).await;
            };
            let result = self.persistent(false).$fetch(&mut *transaction).await?;
            transaction.commit().await?;
            Ok(result)
        }
    )+};
}

impl RunOn for Statement<'_> {
    run_on! {
        all_on fetch_all Vec<PgRow>;
        optional_on fetch_optional Option<PgRow>;
        one_on fetch_one PgRow;
        run_on execute PgQueryResult;
    }
}
