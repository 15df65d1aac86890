//! The services that steps call: one table with a row for each effect, under its key.

use saga_runtime::IdempotencyKey;
use sqlx::PgPool;

/// The error of a request to a service.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShopError {
    /// The service says no: nothing happened.
    #[error("{0}")]
    Refused(&'static str),
    /// The database gives no answer: it may have happened.
    #[error("no answer from the database")]
    Database(#[from] sqlx::Error),
}

impl ShopError {
    /// Returns whether the error says nothing about the request.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Database(_))
    }
}

#[derive(Debug)]
pub(crate) struct Shop {
    pool: PgPool,
    worker: &'static str,
}

impl Shop {
    pub(crate) async fn open(url: &str, worker: &'static str) -> Result<Self, ShopError> {
        let pool = PgPool::connect(url).await?;
        let table = "CREATE TABLE IF NOT EXISTS effects
            (key TEXT PRIMARY KEY, worker TEXT NOT NULL, is_undone BOOLEAN NOT NULL DEFAULT false)";
        // Two workers may do so at once; without the lock one of them would fail.
        let mut transaction = pool.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock(17)")
            .execute(&mut *transaction)
            .await?;
        sqlx::query(table).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(Self { pool, worker })
    }

    /// Does something, once for each key, unless it is undone already.
    pub(crate) async fn act(&self, key: IdempotencyKey) -> Result<(), ShopError> {
        let act = "INSERT INTO effects (key, worker) VALUES ($1, $2)
            ON CONFLICT (key) DO UPDATE SET key = excluded.key RETURNING is_undone";
        let act = sqlx::query_scalar(act)
            .bind(key.to_string())
            .bind(self.worker);
        if act.fetch_one(&self.pool).await? {
            return Err(ShopError::Refused("it is undone"));
        }
        Ok(())
    }

    /// Undoes what happened under this key, and refuses it from now on.
    pub(crate) async fn undo(&self, action_key: IdempotencyKey) -> Result<(), ShopError> {
        let undo = "INSERT INTO effects (key, worker, is_undone) VALUES ($1, $2, true)
            ON CONFLICT (key) DO UPDATE SET is_undone = true";
        let undo = sqlx::query(undo)
            .bind(action_key.to_string())
            .bind(self.worker);
        undo.execute(&self.pool).await?;
        Ok(())
    }

    /// The effects that are not undone, and how many of them are of this worker.
    pub(crate) async fn effects(&self) -> Result<(i64, i64), ShopError> {
        let effects =
            "SELECT count(*), count(*) FILTER (WHERE worker = $1) FROM effects WHERE NOT is_undone";
        let effects = sqlx::query_as(effects).bind(self.worker);
        Ok(effects.fetch_one(&self.pool).await?)
    }

    /// Forgets all requests.
    #[cfg(test)]
    pub(crate) async fn begin_anew(&self) -> Result<(), ShopError> {
        sqlx::query("DELETE FROM effects")
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
