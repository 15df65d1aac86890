//! The beginning of a transaction.

use sqlx::{Pool, Transaction};

use super::Database;

/// Begins a transaction, in a task of its own. Use it in place of [`Pool::begin`] wherever the caller may go away: in a handler whose
/// client closes its connection, in a step with a timeout.
///
/// With `Pool::begin`, a caller that goes away meanwhile may leave the connection in the pool inside of a transaction
/// ([sqlx, issue 4393](https://github.com/transact-rs/sqlx/issues/4393)). The next one that gets it writes into that transaction: it answers,
/// and what it has written may be lost.
///
/// # Errors
/// Those of [`Pool::begin`].
///
/// # Panics
/// Outside of a tokio runtime.
///
/// # Cancel safety
/// If the caller goes away, the transaction is rolled back.
pub async fn begin_transaction<D: Database>(
    pool: &Pool<D>,
) -> Result<Transaction<'static, D>, sqlx::Error> {
    let pool = pool.clone();
    let begun = tokio::spawn(async move { pool.begin().await });
    begun.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
}
